//! Receives notifications (LISTEN/NOTIFY): an export is queued, a running one is canceled, or a delivery of a
//! webhook is due.
//!
//! Correctness does not depend on them: the claim loop and the deliverer poll, and heartbeats find lost leases.
//! Notifications reduce the latency.

use std::sync::Arc;
use std::time::Duration;

use exports_database::Database;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, jittered};
use crate::lease_checks::LeaseChecks;

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
    lease_checks: LeaseChecks,
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

/// Listens for notifications until `shutdown`, which is when running exports are released: until then they can
/// be canceled.
pub(crate) fn spawn(
    context: &Context,
    webhooks: Arc<Notify>,
    shutdown: CancellationToken,
) -> QueueWakeup {
    let database = context.database.clone();
    let queued = Arc::new(Notify::new());
    let wakeup = QueueWakeup {
        queued: queued.clone(),
    };
    let wakeups = Wakeups {
        queued,
        webhooks,
        lease_checks: context.lease_checks.clone(),
    };
    tokio::spawn(async move {
        shutdown.run_until_cancelled(async {
            loop {
                let error = listen(&database, &wakeups).await;
                tracing::debug!(%error, "the listener for notifications failed, polling continues");
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
    wakeups.lease_checks.request_all();
    loop {
        let notifications = match listener.next().await {
            Ok(notifications) => notifications,
            Err(error) => return error,
        };
        if notifications.queued {
            wakeups.queued.notify_one();
        }
        if notifications.webhooks {
            wakeups.webhooks.notify_one();
        }
        for export in notifications.canceled {
            wakeups.lease_checks.request(export);
        }
    }
}
