//! LISTEN for queued and canceled exports, and for due deliveries of webhooks. It only makes workers faster:
//! polling finds every queued export and every due delivery, and heartbeats find every canceled export, so a
//! lost notification does no harm.

use std::time::Duration;

use exports_domain::ExportId;
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use tokio::time::timeout;

use exports_postgres::{ACQUIRE_TIMEOUT, check_writable};

use crate::database::Database;
use crate::error::Error;
use crate::exports::CANCELED_CHANNEL;

/// Check the connection after this time without a notification: it may be dead, or the server may have
/// become a standby.
const CHECK_AFTER: Duration = Duration::from_secs(15);

/// The channel of notifications about queued exports. They have no payload.
const PENDING_CHANNEL: &str = "exports_pending";
/// The channel of notifications about due deliveries of webhooks. They have no payload.
const WEBHOOKS_CHANNEL: &str = "exports_webhooks";

/// What has happened since the last notifications.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifications {
    /// Exports were queued.
    pub queued: bool,
    /// Deliveries of webhooks are due.
    pub webhooks: bool,
    /// These exports were canceled while a worker had them. Anyone who can connect can send a notification,
    /// so it is only a reason to ask.
    pub canceled: Vec<ExportId>,
}

impl Notifications {
    fn add(&mut self, notification: &PgNotification) {
        match notification.channel() {
            CANCELED_CHANNEL => self
                .canceled
                .extend(notification.payload().parse::<ExportId>()),
            WEBHOOKS_CHANNEL => self.webhooks = true,
            _ => self.queued = true,
        }
    }
}

/// A dedicated connection that receives notifications about exports and due deliveries. Replace it after any error.
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
        let channels = [PENDING_CHANNEL, CANCELED_CHANNEL, WEBHOOKS_CHANNEL];
        match timeout(ACQUIRE_TIMEOUT, listener.listen_all(channels)).await {
            Ok(listening) => listening?,
            Err(_) => return Err(exports_postgres::Error::timed_out(ACQUIRE_TIMEOUT).into()),
        }
        Ok(QueueListener { listener })
    }
}

impl QueueListener {
    /// Waits for a notification. Returns it together with those that have arrived since.
    /// After an error the listener cannot be used again.
    pub async fn next(&mut self) -> Result<Notifications, Error> {
        loop {
            // Cancel-safe: a partly received message is kept.
            match timeout(CHECK_AFTER, self.listener.try_recv()).await {
                Ok(received) => {
                    let first = received?.ok_or(sqlx::Error::WorkerCrashed)?;
                    let mut notifications = Notifications::default();
                    notifications.add(&first);
                    while let Some(more) = self.listener.next_buffered() {
                        notifications.add(&more);
                    }
                    return Ok(notifications);
                }
                Err(_elapsed) => check_writable(&mut self.listener).await?,
            }
        }
    }
}
