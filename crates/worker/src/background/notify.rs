//! Wakes the claim loop when an export is queued, and the deliverer when a webhook is due (LISTEN/NOTIFY).
//! Both also poll. Correctness depends only on polling; notifications reduce the latency.

use std::sync::Arc;
use std::time::Duration;

use exports_database::Database;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::context::jittered;

/// The poll interval. Including sweeps and queue hints, an idle worker sends fewer than two statements per
/// second.
const POLL_INTERVAL: Duration = Duration::from_millis(1250);
/// The pause before a listener that failed is opened again.
const RECONNECT: Duration = Duration::from_secs(2);

/// Wakes one waiter.
pub(crate) struct QueueWakeup {
    queued: Arc<Notify>,
}

/// What notifications wake.
#[derive(Clone)]
struct Wakeups {
    queued: Arc<Notify>,
    webhooks: Arc<Notify>,
}

impl QueueWakeup {
    /// Waits for a notification or for the poll interval.
    pub(crate) async fn wait(&self) {
        tokio::select! {
            () = self.queued.notified() => {}
            () = tokio::time::sleep(jittered(POLL_INTERVAL)) => {}
        }
    }
}

/// Listens for notifications until `stop`.
pub(crate) fn spawn(
    database: Database,
    webhooks: Arc<Notify>,
    stop: CancellationToken,
) -> QueueWakeup {
    let queued = Arc::new(Notify::new());
    let wakeup = QueueWakeup {
        queued: queued.clone(),
    };
    let wakeups = Wakeups { queued, webhooks };
    tokio::spawn(async move {
        stop.run_until_cancelled(async {
            loop {
                let error = listen(&database, &wakeups).await;
                tracing::debug!(%error, "the listener for new exports failed, polling continues");
                tokio::time::sleep(jittered(RECONNECT)).await;
            }
        })
        .await;
    });
    wakeup
}

/// Runs one listener until it fails.
async fn listen(database: &Database, wakeups: &Wakeups) -> exports_database::Error {
    let mut listener = match database.listen().await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    // Notifications that were sent before the connection was open are lost.
    wakeups.queued.notify_one();
    wakeups.webhooks.notify_one();
    loop {
        match listener.notified().await {
            Ok(notified) => {
                if notified.queue {
                    wakeups.queued.notify_one();
                }
                if notified.webhooks {
                    wakeups.webhooks.notify_one();
                }
            }
            Err(error) => return error,
        }
    }
}
