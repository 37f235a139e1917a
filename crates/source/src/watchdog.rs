//! Tells a statement that takes long from a lost connection.
//!
//! While an answer is awaited and nothing arrives, the watchdog asks the server over another connection
//! ([`Backend`]). As long as the server works on the statement, or waits for a lock, the answer is awaited
//! without a limit. Otherwise the connection is lost, and the wait ends with [`Error::Stalled`].
//!
//! Only the time in which an answer is awaited counts. A caller that reads nothing for a while, because
//! the object store is slow, is not silence of the source.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use exports_postgres::Error as PgError;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::backend::{Backend, BackendState};
use crate::error::Error;

/// For control statements. With [`MAX_GRACE`] and the limit for the question, a session on a lost
/// connection is noticed within 10 s.
const CONTROL_LIMIT: Duration = Duration::from_secs(4);
/// The watchdog then waits this long for an answer that may be on its way.
const MAX_GRACE: Duration = Duration::from_secs(1);
/// If the server does not say what it does, the wait ends after this many times the limit.
const UNKNOWN_FACTOR: u32 = 10;
/// A statement that takes longer is logged, once per [`LOG_INTERVAL`].
const LONG: Duration = Duration::from_secs(10);
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Watches the answers of one session.
#[derive(Debug)]
pub(crate) struct Watchdog {
    backend: Backend,
    control: LazyTimer,
    rows: LazyTimer,
}

/// The time in which the server worked on an export's COPY without sending rows: it sorted a view without
/// an index, for instance. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct WorkingTime(Arc<AtomicU64>);

/// No answer, and no sign that one will come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    waited: Duration,
    state: BackendState,
}

impl Watchdog {
    /// `stall_timeout` is the time without bytes of a COPY after which the server is asked.
    pub(crate) fn new(backend: Backend, stall_timeout: Duration) -> Self {
        Self {
            backend,
            control: LazyTimer::new(CONTROL_LIMIT),
            rows: LazyTimer::new(stall_timeout),
        }
    }

    /// Waits for the answer to a statement that returns at most a few rows.
    pub(crate) async fn control<T>(
        &mut self,
        answer: impl Future<Output = Result<T, PgError>>,
    ) -> Result<T, Error> {
        let Self {
            backend, control, ..
        } = self;
        let answered = watch(answer, control, || Box::pin(backend.state()), |_| ()).await;
        Ok(answered??)
    }

    /// Waits for the next bytes of a COPY.
    pub(crate) async fn rows<T>(
        &mut self,
        bytes: impl Future<Output = Result<T, PgError>>,
        working: &WorkingTime,
    ) -> Result<T, Error> {
        let Self { backend, rows, .. } = self;
        let on_working = |time| working.add(time);
        let answered = watch(bytes, rows, || Box::pin(backend.state()), on_working).await;
        Ok(answered??)
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }
}

impl WorkingTime {
    /// The sum so far.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn add(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl From<Silence> for Error {
    fn from(silence: Silence) -> Self {
        Self::Stalled {
            waited_s: silence.waited.as_secs(),
            reason: match silence.state {
                BackendState::WaitsForClient => {
                    "the server waits for its client, so the connection is lost"
                }
                BackendState::Gone => "the server has ended the session",
                BackendState::Unreachable => "a new connection gets no answer either",
                BackendState::Unknown | BackendState::Working(_) => {
                    "the server does not say what the session does"
                }
            },
        }
    }
}

/// Waits for an answer. `ask` returns what the server does; `on_working` gets each time span in which it
/// worked on the statement.
async fn watch<'a, T>(
    answer: impl Future<Output = T>,
    timer: &mut LazyTimer,
    ask: impl Fn() -> BoxFuture<'a, BackendState>,
    on_working: impl Fn(Duration),
) -> Result<T, Silence> {
    let mut answer = pin!(answer);
    // Usually the bytes are here already: then this reads no clock.
    if let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await
    {
        return Ok(answer);
    }
    let began = Instant::now();
    let (mut since, mut logged_at) = (began, None);
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return Ok(answer),
            () = timer.elapsed(since) => {}
        }
        let state = tokio::select! {
            biased;
            answer = &mut answer => return Ok(answer),
            state = ask() => state,
        };
        let waited = began.elapsed();
        match state {
            BackendState::Working(wait) => {
                on_working(since.elapsed());
                log_long(waited, wait, &mut logged_at);
            }
            BackendState::Unknown if waited < timer.limit * UNKNOWN_FACTOR => {}
            state => {
                // The server may have answered a moment ago.
                let grace = (timer.limit / 4).min(MAX_GRACE);
                if let Ok(answer) = timeout(grace, &mut answer).await {
                    return Ok(answer);
                }
                let waited = began.elapsed();
                return Err(Silence { waited, state });
            }
        }
        since = Instant::now();
    }
}

fn log_long(waited: Duration, wait: Option<String>, logged_at: &mut Option<Instant>) {
    let is_due = logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
    if waited < LONG || !is_due {
        return;
    }
    *logged_at = Some(Instant::now());
    let wait = wait.unwrap_or_else(|| "none".to_owned());
    tracing::warn!(
        waited_s = waited.as_secs(),
        wait_event = wait,
        "the source still works on a statement, or waits for a lock"
    );
}

/// A timer that is set again only when it has fired, so that a wait that ends earlier costs nothing.
#[derive(Debug)]
struct LazyTimer {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl LazyTimer {
    fn new(limit: Duration) -> Self {
        Self { limit, sleep: None }
    }

    /// Returns when the limit has passed since this time. Calls must have ascending times.
    async fn elapsed(&mut self, since: Instant) {
        let due = since + self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            // It may have been set for an earlier wait.
            sleep.as_mut().await;
            if Instant::now() >= due {
                return;
            }
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt;
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(40);

    fn says(state: &BackendState) -> impl Fn() -> BoxFuture<'static, BackendState> {
        let state = state.clone();
        move || ready(state.clone()).boxed()
    }

    #[tokio::test]
    async fn a_session_without_an_answer_is_lost_unless_the_server_works() {
        for state in [
            BackendState::WaitsForClient,
            BackendState::Gone,
            BackendState::Unreachable,
        ] {
            let mut timer = LazyTimer::new(LIMIT);
            let watched = watch(pending::<()>(), &mut timer, says(&state), |_| ());
            let silence = timeout(LIMIT * 50, watched).await.unwrap().unwrap_err();
            assert!(silence.waited >= LIMIT, "{silence:?}");
            assert_eq!(silence.state, state);
        }
    }

    #[tokio::test]
    async fn a_working_server_is_awaited_and_its_time_is_counted() {
        let working = WorkingTime::default();
        let mut timer = LazyTimer::new(LIMIT);
        let answer = sleep(LIMIT * 6).map(|()| 7);
        let state = BackendState::Working(Some("Lock: relation".to_owned()));
        let watched = watch(answer, &mut timer, says(&state), |time| working.add(time));
        assert_eq!(watched.await, Ok(7));
        assert!(working.total() >= LIMIT, "{:?}", working.total());
        assert!(working.total() <= LIMIT * 6, "{:?}", working.total());
    }

    #[tokio::test]
    async fn an_answer_that_is_on_its_way_is_taken() {
        let mut timer = LazyTimer::new(Duration::from_millis(400));
        let answer = sleep(Duration::from_millis(420));
        let watched = watch(
            answer,
            &mut timer,
            says(&BackendState::WaitsForClient),
            |_| (),
        );
        assert_eq!(watched.await, Ok(()));
    }

    #[tokio::test]
    async fn an_unknown_state_ends_the_wait_after_ten_times_the_limit() {
        let mut timer = LazyTimer::new(LIMIT);
        let watched = watch(
            pending::<()>(),
            &mut timer,
            says(&BackendState::Unknown),
            |_| (),
        );
        let silence = timeout(LIMIT * 100, watched).await.unwrap().unwrap_err();
        assert!(silence.waited >= LIMIT * UNKNOWN_FACTOR, "{silence:?}");
    }

    /// A slow reader is not a slow source, and many short waits are not one long wait.
    #[tokio::test]
    async fn only_one_uninterrupted_wait_counts() {
        let asked = AtomicUsize::new(0);
        let mut timer = LazyTimer::new(LIMIT);
        let ask = || {
            asked.fetch_add(1, Ordering::Relaxed);
            ready(BackendState::Gone).boxed()
        };
        for _ in 0..10 {
            watch(sleep(LIMIT / 8), &mut timer, ask, |_| ())
                .await
                .unwrap();
            // The caller does something else.
            sleep(LIMIT * 2).await;
            watch(ready(()), &mut timer, ask, |_| ()).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }
}
