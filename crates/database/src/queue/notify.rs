//! LISTEN for new exports and for changes. It only makes claims and answers faster: polling finds everything, so a
//! lost notification does no harm.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;

use exports_postgres::{ACQUIRE_TIMEOUT, check_writable};

use crate::database::Database;
use crate::error::Error;
use crate::queue::changes::{self, Change};

/// Check the connection after this time without a notification: it may be dead, or the server may have
/// become a standby.
const CHECK_AFTER: Duration = Duration::from_secs(15);

/// A dedicated connection that receives notifications about queued exports. Replace it after any error.
pub struct QueueListener(Listener);

/// A dedicated connection that receives the changes of exports. Replace it after any error.
pub struct ChangeListener(Listener);

struct Listener(PgListener);

impl Database {
    /// Opens a connection and listens for queued exports.
    pub async fn listen(&self) -> Result<QueueListener, Error> {
        self.listen_to("exports_pending").await.map(QueueListener)
    }

    /// Opens a connection and listens for the changes of exports.
    pub async fn listen_for_changes(&self) -> Result<ChangeListener, Error> {
        self.listen_to(changes::CHANNEL).await.map(ChangeListener)
    }

    async fn listen_to(&self, channel: &str) -> Result<Listener, Error> {
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
        match timeout(ACQUIRE_TIMEOUT, listener.listen(channel)).await {
            Ok(listening) => listening?,
            Err(_) => return Err(exports_postgres::Error::timed_out(ACQUIRE_TIMEOUT).into()),
        }
        Ok(Listener(listener))
    }
}

impl QueueListener {
    /// Waits until an export is queued, and drops further notifications that have arrived already.
    /// After an error the listener cannot be used again.
    pub async fn queued(&mut self) -> Result<(), Error> {
        self.0.next(|_| ()).await
    }
}

impl ChangeListener {
    /// Waits for the next changes. After an error the listener cannot be used again.
    pub async fn changed(&mut self) -> Result<Vec<Change>, Error> {
        let mut changed = Vec::new();
        self.0
            .next(|payload| changed.extend(changes::parse(payload)))
            .await?;
        Ok(changed)
    }
}

impl Listener {
    /// Waits for a notification, and passes on the payloads of all that have arrived.
    async fn next(&mut self, mut payload: impl FnMut(&str)) -> Result<(), Error> {
        loop {
            // Cancel-safe: a partly received message is kept.
            match timeout(CHECK_AFTER, self.0.try_recv()).await {
                Ok(received) => {
                    let Some(first) = received? else {
                        return Err(Error::from(sqlx::Error::WorkerCrashed));
                    };
                    payload(first.payload());
                    while let Some(next) = self.0.next_buffered() {
                        payload(next.payload());
                    }
                    return Ok(());
                }
                Err(_elapsed) => check_writable(&mut self.0).await?,
            }
        }
    }
}
