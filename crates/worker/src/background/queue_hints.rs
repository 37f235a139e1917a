//! Keeps what this worker remembers of the queue up to date, so that its claims stay quick beside
//! a long export. Claims read the rest by themselves: an old memory makes them slow, not wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use exports_database::{Database, QueueHints};
use exports_domain::error_line;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::context::jittered;

/// How often to look over the queue: a claim reads again what came in since.
const PERIOD: Duration = Duration::from_secs(5);
/// How long an export that a survey missed may stay unseen, unless surveys from nothing are slow.
const FROM_NOTHING: Duration = Duration::from_mins(1);
/// These take at most one part in so many of the time.
const SHARE: u32 = 200;

/// What the worker remembers of the queue.
pub(crate) type Memory = watch::Receiver<Arc<QueueHints>>;

/// Surveys until `stop`.
pub(crate) fn spawn(database: Database, stop: CancellationToken) -> Memory {
    let (memory, reader) = watch::channel(Arc::default());
    tokio::spawn(async move {
        stop.run_until_cancelled(survey_for_ever(&database, &memory))
            .await;
    });
    reader
}

async fn survey_for_ever(database: &Database, memory: &watch::Sender<Arc<QueueHints>>) {
    let mut from_nothing_at = Instant::now();
    loop {
        let begun = Instant::now();
        let from_nothing = begun >= from_nothing_at;
        let known = if from_nothing {
            Arc::default()
        } else {
            memory.borrow().clone()
        };
        match database.queue_hints(&known).await {
            Ok(survey) => {
                memory.send_replace(Arc::new(survey));
                if from_nothing {
                    from_nothing_at = begun + FROM_NOTHING.max(begun.elapsed() * SHARE);
                }
            }
            Err(error) => {
                tracing::debug!(error = error_line(&error), "the queue was not surveyed");
                // It may be another server, with another clock, that answers next.
                from_nothing_at = begun;
            }
        }
        tokio::time::sleep(jittered(PERIOD)).await;
    }
}
