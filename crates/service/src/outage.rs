//! One log line when something begins to fail, one when it works again, and at most one a minute between.
//!
//! Every failed use of a dependency calls [`Outage::failed`], and every successful one [`Outage::succeeded`].
//! Without this, an outage of some seconds would log a line for each request.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exports_domain::error_line;
use exports_postgres::Observer;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// An outage is over when nothing has failed for this time since the first success. So a dependency that
/// fails now and then has one outage and not many.
const QUIET: Duration = Duration::from_secs(3);
/// The interval of the lines about an outage that lasts.
const REMIND: Duration = Duration::from_mins(1);

/// The outages of one dependency or activity. Clones share them.
#[derive(Clone)]
pub struct Outage(Arc<Shared>);

struct Shared {
    words: Words,
    /// Whether there is an outage; a copy of `current`, which costs a success no lock.
    is_failing: AtomicBool,
    current: Mutex<Option<Current>>,
}

/// The words of the log lines.
struct Words {
    subject: &'static str,
    begins: &'static str,
    lasts: &'static str,
    ends: &'static str,
}

/// An outage that is not over.
struct Current {
    began: Instant,
    reported: Instant,
    failures: u64,
    /// The first success since the last failure.
    recovered: Option<Instant>,
}

impl Outage {
    /// Outages of a dependency, such as "the database".
    #[must_use]
    pub fn of(subject: &'static str) -> Self {
        Self::new(Words {
            subject,
            begins: "is unavailable",
            lasts: "is still unavailable",
            ends: "is available again",
        })
    }

    /// Failures of an activity, such as "the claim".
    #[must_use]
    pub fn of_activity(subject: &'static str) -> Self {
        Self::new(Words {
            subject,
            begins: "failed",
            lasts: "still fails",
            ends: "succeeds again",
        })
    }

    fn new(words: Words) -> Self {
        Self(Arc::new(Shared {
            words,
            is_failing: AtomicBool::new(false),
            current: Mutex::new(None),
        }))
    }

    /// Counts a failure, and logs it if it is the first or if the last line is a minute old.
    pub fn failed(&self, reason: &dyn fmt::Display) {
        let now = Instant::now();
        let Words {
            subject,
            begins,
            lasts,
            ..
        } = self.0.words;
        let mut current = self.0.lock();
        let Some(outage) = current.as_mut() else {
            *current = Some(Current {
                began: now,
                reported: now,
                failures: 1,
                recovered: None,
            });
            self.0.is_failing.store(true, Ordering::Relaxed);
            tracing::warn!(error = %reason, "{subject} {begins}");
            return;
        };
        outage.failures += 1;
        outage.recovered = None;
        if now - outage.reported >= REMIND {
            outage.reported = now;
            let (failures, duration_s) = (outage.failures, (now - outage.began).as_secs());
            tracing::warn!(error = %reason, failures, duration_s, "{subject} {lasts}");
        }
    }

    /// Ends the outage, if there is one and nothing fails in the next seconds.
    pub fn succeeded(&self) {
        if !self.0.is_failing.load(Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        match self.0.lock().as_mut() {
            Some(outage) if outage.recovered.is_none() => outage.recovered = Some(now),
            // Another call has started the timer, or has ended the outage.
            Some(_) | None => return,
        }
        let shared = Arc::clone(&self.0);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(QUIET).await;
                shared.end(now);
            });
        }
    }
}

impl Shared {
    /// Ends the outage if nothing has failed since this success.
    fn end(&self, recovered: Instant) {
        let mut current = self.lock();
        let is_over = |outage: &mut Current| outage.recovered == Some(recovered);
        let Some(outage) = current.take_if(is_over) else {
            return;
        };
        self.is_failing.store(false, Ordering::Relaxed);
        let Words { subject, ends, .. } = self.words;
        let duration_ms = u64::try_from((recovered - outage.began).as_millis()).unwrap_or(u64::MAX);
        let failures = outage.failures;
        tracing::info!(duration_ms, failures, "{subject} {ends}");
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Outage {
    fn available(&self) {
        self.succeeded();
    }

    fn unavailable(&self, reason: &exports_postgres::Error) {
        self.failed(&error_line(reason));
    }
}

impl fmt::Debug for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outage")
            .field(&self.0.words.subject)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// The log lines of a test.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn take(&self) -> Vec<String> {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap());
            let text = String::from_utf8(bytes).unwrap();
            text.lines().map(|line| line.trim().to_owned()).collect()
        }
    }

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// Captures the log lines of this thread.
    fn captured() -> (Lines, tracing::subscriber::DefaultGuard) {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// Lets the timer that ends an outage run.
    async fn pass(time: Duration) {
        tokio::time::sleep(time).await;
        tokio::task::yield_now().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_has_one_line_at_its_start_and_one_at_its_end() {
        let (lines, _guard) = captured();
        let outage = Outage::of("the database");
        outage.succeeded();
        for _ in 0..100 {
            outage.failed(&"connection refused");
            pass(Duration::from_millis(100)).await;
        }
        assert_eq!(
            lines.take(),
            ["WARN the database is unavailable error=connection refused"]
        );
        for _ in 0..100 {
            outage.succeeded();
        }
        pass(QUIET * 2).await;
        assert_eq!(
            lines.take(),
            ["INFO the database is available again duration_ms=10000 failures=100"]
        );
        pass(REMIND).await;
        outage.succeeded();
        pass(QUIET * 2).await;
        assert_eq!(lines.take(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_between_two_failures_does_not_end_the_outage() {
        let (lines, _guard) = captured();
        let outage = Outage::of_activity("the claim");
        for _ in 0..20 {
            outage.failed(&"refused");
            outage.succeeded();
            pass(QUIET / 2).await;
        }
        assert_eq!(lines.take(), ["WARN the claim failed error=refused"]);
        pass(QUIET).await;
        let ends = lines.take();
        assert_eq!(ends.len(), 1, "{ends:?}");
        assert!(
            ends[0].starts_with("INFO the claim succeeds again"),
            "{ends:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_that_lasts_has_one_line_a_minute_with_the_count() {
        let (lines, _guard) = captured();
        let outage = Outage::of("the object store");
        for _ in 0..125 {
            outage.failed(&"no response");
            pass(Duration::from_secs(1)).await;
        }
        let lines = lines.take();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[1].contains("is still unavailable"), "{lines:?}");
        assert!(
            lines[2].contains("failures=121 duration_s=120"),
            "{lines:?}"
        );
    }
}
