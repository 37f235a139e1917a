//! Refreshes the queue hints of this worker, so that claims stay fast while a long export holds back vacuum.
//! Claims do not depend on them: old hints make a claim slower, not wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use exports_database::{Database, QueueHints};
use exports_domain::error_line;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::context::jittered;

/// The refresh interval. A claim reads what was queued since the last refresh.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// The interval of full refreshes, which do not start from the previous hints. An export that a refresh
/// missed is found by the next full refresh.
const FULL_REFRESH_INTERVAL: Duration = Duration::from_mins(1);
/// If a full refresh is slow, the interval is at least this many times its duration.
const FULL_REFRESH_SHARE: u32 = 200;

/// The latest hints.
pub(crate) type SharedHints = watch::Receiver<Arc<QueueHints>>;

/// Refreshes the hints until `stop`.
pub(crate) fn spawn(database: Database, stop: CancellationToken) -> SharedHints {
    let (hints, receiver) = watch::channel(Arc::default());
    tokio::spawn(async move {
        stop.run_until_cancelled(refresh_forever(&database, &hints))
            .await;
    });
    receiver
}

async fn refresh_forever(database: &Database, hints: &watch::Sender<Arc<QueueHints>>) {
    let mut full_refresh_at = Instant::now();
    loop {
        let started = Instant::now();
        let is_full = started >= full_refresh_at;
        let previous = if is_full {
            Arc::default()
        } else {
            hints.borrow().clone()
        };
        match database.queue_hints(&previous).await {
            Ok(refreshed) => {
                hints.send_replace(Arc::new(refreshed));
                if is_full {
                    let interval = started.elapsed() * FULL_REFRESH_SHARE;
                    full_refresh_at = started + interval.max(FULL_REFRESH_INTERVAL);
                }
            }
            Err(error) => {
                let error = error_line(&error);
                tracing::debug!(error, "the queue hints could not be refreshed");
                // The next answer may come from another server, with another clock.
                full_refresh_at = started;
            }
        }
        tokio::time::sleep(jittered(REFRESH_INTERVAL)).await;
    }
}
