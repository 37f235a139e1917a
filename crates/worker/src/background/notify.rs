//! Tells the claim loop when to look into the queue: at once when something was queued, and every
//! second or so in any case. Only the second is needed; the first makes it quick.

use std::sync::Arc;
use std::time::Duration;

use exports_database::Database;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::context::jittered;

/// How often the queue is looked at when nothing tells of new work. With sweeps and surveys, an idle
/// worker asks the database less than two things a second.
const POLL: Duration = Duration::from_millis(1250);
/// How long after a listener broke the next one is made.
const RELISTEN: Duration = Duration::from_secs(2);

/// The receiving end, for one waiter.
pub(crate) struct Wakeup {
    queued: Arc<Notify>,
}

impl Wakeup {
    /// Waits until the queue should be looked at.
    pub(crate) async fn next(&self) {
        tokio::select! {
            () = self.queued.notified() => {}
            () = tokio::time::sleep(jittered(POLL)) => {}
        }
    }
}

/// Listens until `stop`.
pub(crate) fn spawn(database: Database, stop: CancellationToken) -> Wakeup {
    let queued = Arc::new(Notify::new());
    let wakeup = Wakeup {
        queued: queued.clone(),
    };
    tokio::spawn(async move {
        stop.run_until_cancelled(async {
            loop {
                let error = listen(&database, &queued).await;
                tracing::debug!(%error, "listening for new exports broke off, polling goes on");
                tokio::time::sleep(jittered(RELISTEN)).await;
            }
        })
        .await;
    });
    wakeup
}

/// One listener, until it breaks.
async fn listen(database: &Database, queued: &Notify) -> exports_database::Error {
    let mut listener = match database.listen().await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    // Something may have been queued while nobody listened.
    queued.notify_one();
    loop {
        match listener.queued().await {
            Ok(()) => queued.notify_one(),
            Err(error) => return error,
        }
    }
}
