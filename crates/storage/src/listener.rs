//! Hearing at once that something was queued. Polling finds it a moment later anyway, so nothing
//! depends on a notification that is lost.

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::database::Database;
use crate::error::Error;

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
            .acquire_timeout(std::time::Duration::from_secs(5))
            .connect_lazy_with(self.pool.connect_options().as_ref().clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        listener.listen("exports_pending").await?;
        Ok(QueueListener { listener })
    }
}

impl QueueListener {
    /// Waits until something was queued, and takes every further notice that is there already.
    /// An error, a lost connection included, is the end of this listener.
    pub async fn queued(&mut self) -> Result<(), Error> {
        if self.listener.try_recv().await?.is_none() {
            return Err(Error::from(sqlx::Error::WorkerCrashed));
        }
        while self.listener.next_buffered().is_some() {}
        Ok(())
    }
}
