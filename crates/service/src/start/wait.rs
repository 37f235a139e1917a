//! Waits until the dependencies of a service are available.
//!
//! A wrong setting ends the wait at once: an address or a key that cannot be used, refused credentials, a
//! database that does not exist. So do rights that are still missing a moment after the schema is current.
//! Everything that can pass by itself is waited for: a server that is not started, a name that is not in DNS
//! yet, a schema that `exportctl admin migrate` has not brought up to date.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, interval_at, sleep, sleep_until};

use super::error::Wait;
use super::{Dependencies, StartError};

/// The interval of the log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(500);
/// How long rights may be missing after the schema became current: `exportctl admin migrate` grants them last.
const GRANT_TIME: Duration = Duration::from_secs(5);

/// Why the last check failed.
type LastError = watch::Sender<Option<StartError>>;

impl Dependencies {
    /// Waits for at most `limit`, and calls `on_wait` if the first check has failed. Afterwards outages are
    /// logged. The error is that of the last check.
    pub async fn wait_until_available(
        &self,
        limit: Duration,
        on_wait: impl Fn(),
    ) -> Result<(), StartError> {
        let begun = Instant::now();
        let last = LastError::default();
        let outcome = tokio::select! {
            outcome = self.check_until_available(&last, limit, on_wait) => outcome,
            error = last_error_at(begun + limit, &last) => Err(error),
            never = log_every_interval(begun, &last, limit) => match never {},
        };
        outcome?;
        if last.borrow().is_some() {
            let waited_s = begun.elapsed().as_secs();
            tracing::info!(waited_s, "all dependencies are available");
        }
        self.watch();
        Ok(())
    }

    /// Checks until all are available, or until an error cannot pass.
    async fn check_until_available(
        &self,
        last: &LastError,
        limit: Duration,
        on_wait: impl Fn(),
    ) -> Result<(), StartError> {
        let mut lacking_since = None;
        let mut is_logged = false;
        loop {
            let Err(error) = self.check().await else {
                return Ok(());
            };
            let lacks_rights = error.wait == Wait::Briefly;
            let since = if lacks_rights {
                *lacking_since.get_or_insert_with(Instant::now)
            } else {
                lacking_since = None;
                Instant::now()
            };
            if error.wait == Wait::No || since.elapsed() >= GRANT_TIME {
                return Err(error);
            }
            if !is_logged && !lacks_rights {
                is_logged = true;
                log(&error, Duration::ZERO, limit);
            }
            if last.send_replace(Some(error)).is_none() {
                on_wait();
            }
            sleep(PAUSE).await;
        }
    }
}

/// The last error at the deadline. If the first check is not complete then, waits for it: without it there
/// is no reason to report.
async fn last_error_at(deadline: Instant, last: &LastError) -> StartError {
    sleep_until(deadline).await;
    let mut changes = last.subscribe();
    loop {
        if let Some(error) = changes.borrow_and_update().clone() {
            return error;
        }
        // The sender outlives this future, so this never fails.
        changes.changed().await.ok();
    }
}

async fn log_every_interval(begun: Instant, last: &LastError, limit: Duration) -> Infallible {
    let mut ticks = interval_at(begun + LOG_INTERVAL, LOG_INTERVAL);
    loop {
        ticks.tick().await;
        let error = last.borrow().clone();
        if let Some(error) = error.filter(|error| error.wait == Wait::UntilTimeout) {
            log(&error, begun.elapsed(), limit);
        }
    }
}

fn log(error: &StartError, waited: Duration, limit: Duration) {
    tracing::warn!(
        %error,
        waited_s = waited.as_secs(),
        timeout_s = limit.as_secs(),
        "waiting for a dependency"
    );
}
