//! Waiting for facts: short looks, a deadline, and words for what did not come true.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before a test fails.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until `look` gives `Some`, and gives that; after `deadline`, panics with `fact`.
///
/// ```no_run
/// # use exports_tests::{TIMEOUT, eventually};
/// # async fn story(process: &exports_tests::Process) {
/// eventually("the worker has said hello", TIMEOUT, async || {
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
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks for as long as `span` and panics with `fact` at the first look that is false: for what
/// must *not* happen, where there is no event to wait for.
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
        tokio::time::sleep(PAUSE).await;
    }
}
