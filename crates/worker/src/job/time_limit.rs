//! `EXPORTS_MAX_DURATION`: ends an attempt, and decides why it took so long.
//!
//! Only if rows flowed all the time is the export too large, and a shorter time range helps. An attempt
//! that mostly waited for a silent source or store is retried instead.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::job::{JobError, SharedProgress};

/// A pause between two bytes counts as waiting if it is at least this long, or this part of the maximum
/// duration.
const WAIT: Duration = Duration::from_mins(1);
const WAIT_PART: u32 = 20;
/// How often progress is looked at, as a part of the shortest pause that counts.
const TICKS: u32 = 4;

/// The time that an attempt has waited, by what it waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Waits {
    source: Duration,
    store: Duration,
}

/// Returns after the maximum duration, with the error of the attempt.
pub(crate) async fn reached(max: Duration, progress: &SharedProgress) -> JobError {
    let started = Instant::now();
    let end = started + max;
    let shortest = WAIT.min(max / WAIT_PART);
    let (mut sum, mut pause) = (Waits::default(), Waits::default());
    let (mut flow, mut looked) = (progress.flow(), started);
    while looked < end {
        sleep_until(end.min(looked + shortest / TICKS)).await;
        let (now, current) = (Instant::now(), progress.flow());
        if current == flow {
            pause.add(now - looked, progress.waits_for_store());
        } else {
            sum.add_pause(pause, shortest);
            (flow, pause) = (current, Waits::default());
        }
        looked = now;
    }
    sum.add_pause(pause, shortest);
    sum.source = sum.source.saturating_sub(progress.working().total());
    sum.error(max)
}

impl Waits {
    fn add(&mut self, time: Duration, is_store: bool) {
        *(if is_store {
            &mut self.store
        } else {
            &mut self.source
        }) += time;
    }

    fn add_pause(&mut self, pause: Self, shortest: Duration) {
        if pause.source + pause.store >= shortest {
            self.source += pause.source;
            self.store += pause.store;
        }
    }

    fn error(self, max: Duration) -> JobError {
        if (self.source + self.store) * 2 < max {
            JobError::timed_out(max)
        } else if self.store > self.source {
            JobError::store_stalled(self.store, max)
        } else {
            JobError::source_stalled(self.source, max)
        }
    }
}

#[cfg(test)]
mod tests {
    use exports_domain::FailureCode;
    use tokio::time::sleep;

    use super::*;

    const MAX: Duration = Duration::from_millis(800);

    async fn code(story: impl AsyncFnOnce(&SharedProgress)) -> (FailureCode, bool) {
        let progress = SharedProgress::default();
        let story = async {
            story(&progress).await;
            std::future::pending::<()>().await;
        };
        let error = tokio::select! {
            error = reached(MAX, &progress) => error,
            () = story => unreachable!("the story does not end"),
        };
        (error.failure.code, error.is_retryable)
    }

    #[tokio::test]
    async fn only_an_attempt_whose_rows_flowed_is_too_long() {
        let flowing = async |progress: &SharedProgress| loop {
            progress.add_received(1);
            sleep(MAX / 80).await;
        };
        assert_eq!(code(flowing).await, (FailureCode::TimedOut, false));
        let silent = async |progress: &SharedProgress| progress.add_received(1);
        assert_eq!(code(silent).await, (FailureCode::SourceStalled, true));
        let stored = async |progress: &SharedProgress| {
            progress
                .waiting_for_store(std::future::pending::<()>())
                .await;
        };
        assert_eq!(code(stored).await, (FailureCode::StorageUnavailable, true));
    }
}
