//! LISTEN for queued and canceled exports, for due deliveries of webhooks, and for changes of exports. It only
//! makes workers and answers faster: polling finds every queued export, every due delivery and every change, and
//! heartbeats find every canceled export, so a lost notification does no harm.

use std::time::Duration;

use exports_domain::ExportId;
use exports_postgres::{ACQUIRE_TIMEOUT, check_writable};
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use tokio::time::timeout;

use crate::database::Database;
use crate::error::Error;
use crate::exports::CANCELED_CHANNEL;
use crate::queue::changes::{self, Change};

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

/// A dedicated connection that receives notifications for a worker. Replace it after any error.
pub struct QueueListener(Listener);

/// A dedicated connection that receives the changes of exports. Replace it after any error.
pub struct ChangeListener(Listener);

struct Listener(PgListener);

impl Database {
    /// Opens a connection and listens for queued and canceled exports and due deliveries.
    pub async fn listen(&self) -> Result<QueueListener, Error> {
        let channels = [PENDING_CHANNEL, CANCELED_CHANNEL, WEBHOOKS_CHANNEL];
        self.listen_to(&channels).await.map(QueueListener)
    }

    /// Opens a connection and listens for the changes of exports.
    pub async fn listen_for_changes(&self) -> Result<ChangeListener, Error> {
        self.listen_to(&[changes::CHANNEL])
            .await
            .map(ChangeListener)
    }

    async fn listen_to(&self, channels: &[&str]) -> Result<Listener, Error> {
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
        let listening = listener.listen_all(channels.iter().copied());
        match timeout(ACQUIRE_TIMEOUT, listening).await {
            Ok(listening) => listening?,
            Err(_) => return Err(exports_postgres::Error::timed_out(ACQUIRE_TIMEOUT).into()),
        }
        Ok(Listener(listener))
    }
}

impl QueueListener {
    /// Waits for a notification. Returns it together with those that have arrived since.
    /// After an error the listener cannot be used again.
    pub async fn next(&mut self) -> Result<Notifications, Error> {
        let mut notifications = Notifications::default();
        self.0
            .next(|notification| notifications.add(notification))
            .await?;
        Ok(notifications)
    }
}

impl ChangeListener {
    /// Waits for the next changes. After an error the listener cannot be used again.
    pub async fn changed(&mut self) -> Result<Vec<Change>, Error> {
        let mut changed = Vec::new();
        self.0
            .next(|notification| changed.extend(changes::parse(notification.payload())))
            .await?;
        Ok(changed)
    }
}

impl Listener {
    /// Waits for a notification, and passes on all that have arrived.
    async fn next(&mut self, mut pass_on: impl FnMut(&PgNotification)) -> Result<(), Error> {
        loop {
            // Cancel-safe: a partly received message is kept.
            match timeout(CHECK_AFTER, self.0.try_recv()).await {
                Ok(received) => {
                    pass_on(&received?.ok_or(sqlx::Error::WorkerCrashed)?);
                    while let Some(next) = self.0.next_buffered() {
                        pass_on(&next);
                    }
                    return Ok(());
                }
                Err(_elapsed) => check_writable(&mut self.0).await?,
            }
        }
    }
}
