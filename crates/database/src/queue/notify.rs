//! LISTEN for new exports. It only makes claims faster: polling finds every export, so a lost
//! notification does no harm.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;

use exports_postgres::{ACQUIRE_TIMEOUT, check_writable};

use crate::database::Database;
use crate::error::Error;

/// Check the connection after this time without a notification: it may be dead, or the server may have
/// become a standby.
const CHECK_AFTER: Duration = Duration::from_secs(15);

/// A dedicated connection that receives notifications about queued exports. Replace it after any error.
pub struct QueueListener {
    listener: PgListener,
}

impl Database {
    /// Opens a connection and sends LISTEN.
    pub async fn listen(&self) -> Result<QueueListener, Error> {
        // Its own pool, so that it does not use a connection of the shared one.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(self.connect_options().as_ref().clone());
        let listener = PgListener::connect_with(&pool).await;
        let mut listener = listener.map_err(exports_postgres::Error::not_sent)?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        // A standby refuses LISTEN. A read-only primary accepts it but never notifies.
        check_writable(&mut listener).await?;
        match timeout(ACQUIRE_TIMEOUT, listener.listen("exports_pending")).await {
            Ok(listening) => listening?,
            Err(_) => return Err(exports_postgres::Error::timed_out(ACQUIRE_TIMEOUT).into()),
        }
        Ok(QueueListener { listener })
    }
}

impl QueueListener {
    /// Waits until an export is queued, and drops further notifications that have arrived already.
    /// After an error the listener cannot be used again.
    pub async fn queued(&mut self) -> Result<(), Error> {
        loop {
            // Cancel-safe: a partly received message is kept.
            match timeout(CHECK_AFTER, self.listener.try_recv()).await {
                Ok(received) => {
                    if received?.is_none() {
                        return Err(Error::from(sqlx::Error::WorkerCrashed));
                    }
                    while self.listener.next_buffered().is_some() {}
                    return Ok(());
                }
                Err(_elapsed) => check_writable(&mut self.listener).await?,
            }
        }
    }
}
