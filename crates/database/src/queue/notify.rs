//! LISTEN for new exports and new deliveries of webhooks. It only makes claims faster: polling finds all of
//! them, so a lost notification does no harm.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;

use exports_postgres::{ACQUIRE_TIMEOUT, check_writable};

use crate::database::Database;
use crate::error::Error;

/// Check the connection after this time without a notification: it may be dead, or the server may have
/// become a standby.
const CHECK_AFTER: Duration = Duration::from_secs(15);

const QUEUE: &str = "exports_pending";
const WEBHOOKS: &str = "exports_webhooks";

/// What notifications said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notified {
    /// An export is queued.
    pub queue: bool,
    /// A delivery of a webhook is due.
    pub webhooks: bool,
}

impl Notified {
    fn add(&mut self, channel: &str) {
        self.queue |= channel == QUEUE;
        self.webhooks |= channel == WEBHOOKS;
    }
}

/// A dedicated connection that receives notifications about queued exports and due deliveries. Replace it
/// after any error.
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
        match timeout(ACQUIRE_TIMEOUT, listener.listen_all([QUEUE, WEBHOOKS])).await {
            Ok(listening) => listening?,
            Err(_) => return Err(exports_postgres::Error::timed_out(ACQUIRE_TIMEOUT).into()),
        }
        Ok(QueueListener { listener })
    }
}

impl QueueListener {
    /// Waits for notifications, and returns what all that have arrived say. After an error the listener
    /// cannot be used again.
    pub async fn notified(&mut self) -> Result<Notified, Error> {
        loop {
            // Cancel-safe: a partly received message is kept.
            match timeout(CHECK_AFTER, self.listener.try_recv()).await {
                Ok(received) => {
                    let Some(first) = received? else {
                        return Err(Error::from(sqlx::Error::WorkerCrashed));
                    };
                    let mut notified = Notified::default();
                    notified.add(first.channel());
                    while let Some(more) = self.listener.next_buffered() {
                        notified.add(more.channel());
                    }
                    return Ok(notified);
                }
                Err(_elapsed) => check_writable(&mut self.listener).await?,
            }
        }
    }
}
