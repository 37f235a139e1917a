//! Waits for conditions by polling, with a timeout.

use std::time::{Duration, Instant};

/// The timeout of every wait, long enough for a busy machine.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// Between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// Polls until `look` returns `Some`, and returns the value. Panics with `fact` after `deadline`.
///
/// ```no_run
/// # use exports_tests::{TIMEOUT, eventually};
/// # async fn story(process: &exports_tests::Process) {
/// eventually("the worker has logged hello", TIMEOUT, async || {
///     process.log().contains("hello").then_some(())
/// })
/// .await;
/// # }
/// ```
pub async fn eventually<T>(
    fact: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(
            begun.elapsed() < deadline,
            "not within {deadline:?}: {fact}"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Polls for the time `span`, and panics with `fact` when `look` returns false. For something that must *not* happen.
pub async fn holds_within(fact: &str, span: Duration, mut look: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    loop {
        assert!(
            look().await,
            "after {:?} no longer true: {fact}",
            begun.elapsed()
        );
        if begun.elapsed() >= span {
            return;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
