//! Hearing at once that something was queued. Polling finds it a moment later anyway, so nothing
//! depends on a notification that is lost.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;

use exports_postgres::{ACQUIRE_TIMEOUT, check_writable};

use crate::database::Database;
use crate::error::Error;

/// After so long without a notification the connection is asked what it leads to: its flow can have
/// died silently, and its server can have become a standby.
const PROBE: Duration = Duration::from_secs(15);

/// A connection of its own that hears when exports are queued. Make a new one after any error.
pub struct QueueListener {
    listener: PgListener,
}

impl Database {
    /// Begins to listen.
    pub async fn listen(&self) -> Result<QueueListener, Error> {
        // A pool of its own: a listener must not take one of the claims' connections.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(self.connect_options().as_ref().clone());
        let listener = PgListener::connect_with(&pool).await;
        let mut listener = listener.map_err(exports_postgres::Error::not_sent)?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        // A standby takes no LISTEN; a primary that was made read-only does, and hears nothing.
        check_writable(&mut listener).await?;
        match timeout(ACQUIRE_TIMEOUT, listener.listen("exports_pending")).await {
            Ok(listening) => listening?,
            Err(_) => return Err(exports_postgres::Error::timed_out(ACQUIRE_TIMEOUT).into()),
        }
        Ok(QueueListener { listener })
    }
}

impl QueueListener {
    /// Waits until something was queued, and takes every further notice that is there already.
    /// An error, a lost connection included, is the end of this listener.
    pub async fn queued(&mut self) -> Result<(), Error> {
        loop {
            // Waiting can be broken off at any moment: what has come of a message is kept.
            match timeout(PROBE, self.listener.try_recv()).await {
                Ok(heard) => {
                    if heard?.is_none() {
                        return Err(Error::from(sqlx::Error::WorkerCrashed));
                    }
                    while self.listener.next_buffered().is_some() {}
                    return Ok(());
                }
                Err(_silence) => check_writable(&mut self.listener).await?,
            }
        }
    }
}
