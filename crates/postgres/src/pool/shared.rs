//! The connections of a pool, and how they are opened and checked.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::check;
use super::health::{PoolHealth, Verdict};
use super::session::{Session, State};
use crate::availability::Observer;
use crate::connector::{Access, Connector};
use crate::error::Error;

/// A connection that was idle for longer is closed.
const IDLE: Duration = Duration::from_mins(10);
/// How long opening is retried while the server starts up or is full. It is shorter than the limit
/// for acquiring a connection.
const RETRY: Duration = Duration::from_secs(4);
/// Connections beyond the pool's size, for statements that run again because the first connection
/// does not answer.
const SPARES: usize = 2;

pub(super) struct Shared {
    connector: Arc<Connector>,
    pub(super) size: u32,
    /// A connection without an answer for this time is dead.
    pub(super) answer_limit: Duration,
    pub(super) observer: OnceLock<Arc<dyn Observer>>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) spares: Arc<Semaphore>,
    /// The connection that was used last is at the end, and is used next.
    idle: Mutex<Vec<Session>>,
    health: Mutex<PoolHealth>,
    /// The last error of opening a connection, for callers that wait in vain.
    opening_failed: Mutex<Option<(Instant, Error)>>,
}

impl Shared {
    pub(super) fn new(connector: Arc<Connector>, size: u32, answer_limit: Duration) -> Self {
        Self {
            connector,
            size,
            answer_limit,
            observer: OnceLock::new(),
            // A u32 fits on every platform that tokio runs on.
            permits: Arc::new(Semaphore::new(size as usize)),
            spares: Arc::new(Semaphore::new(SPARES)),
            idle: Mutex::default(),
            health: Mutex::default(),
            opening_failed: Mutex::default(),
        }
    }

    /// The idle connection that was used last. Closes connections that were idle for too long.
    fn take_idle(&self) -> Option<Session> {
        let mut idle = self.idle();
        let is_expired = |session: &Session| session.answered_at.elapsed() > IDLE;
        // The connection that was idle for the longest time is first.
        while idle.first().is_some_and(is_expired) {
            tokio::spawn(idle.remove(0).close());
        }
        idle.pop()
    }

    /// An idle connection that answers and has a suitable server.
    pub(super) async fn take_usable(&self) -> Option<Session> {
        while let Some(mut session) = self.take_idle() {
            if self.is_usable(&mut session).await {
                return Some(session);
            }
        }
        None
    }

    /// Closes the connection that was idle for the longest time.
    pub(super) fn close_oldest_idle(&self) {
        let mut idle = self.idle();
        if !idle.is_empty() {
            tokio::spawn(idle.remove(0).close());
        }
    }

    /// Tells the observer what was learnt about the database.
    pub(super) fn report(&self, learnt: Result<(), &Error>) {
        match (self.observer.get(), learnt) {
            (Some(observer), Ok(())) => observer.available(),
            (Some(observer), Err(reason)) => observer.unavailable(reason),
            (None, _) => {}
        }
    }

    /// Whether an idle connection can be used. Checks it if that is necessary.
    async fn is_usable(&self, session: &mut Session) -> bool {
        let verdict = self.health().verdict(session);
        match verdict {
            Verdict::Use => true,
            Verdict::Close => false,
            Verdict::Check => match self.check(session).await {
                Ok(()) => true,
                Err(error) => {
                    tracing::debug!(%error, "closing a pooled connection that failed its check");
                    false
                }
            },
        }
    }

    /// Opens and checks a connection. Retries for a short time while the server starts up or is full.
    pub(super) async fn open(&self) -> Result<Session, Error> {
        self.open_observed(false).await
    }

    /// The same. Uses an idle connection instead, if one becomes idle while the server is full: it may
    /// allow fewer connections than the pool has.
    pub(super) async fn open_or_take_idle(&self) -> Result<Session, Error> {
        self.open_observed(true).await
    }

    async fn open_observed(&self, may_take_idle: bool) -> Result<Session, Error> {
        // Boxed: the future is large, and seldom needed.
        let opened = Box::pin(self.open_unobserved(may_take_idle)).await;
        self.report(opened.as_ref().map(drop));
        opened
    }

    /// Why opening a connection has failed since this time.
    pub(super) fn opening_failed_since(&self, since: Instant) -> Option<Error> {
        let last = self.opening_failed();
        let (at, error) = last.as_ref()?;
        (*at >= since).then(|| error.for_another())
    }

    async fn open_unobserved(&self, may_take_idle: bool) -> Result<Session, Error> {
        if let Some(reason) = self.health().recently_read_only() {
            return Err(Error::ReadOnly(reason));
        }
        let begun = Instant::now();
        let mut pause = Duration::from_millis(10);
        let connection = loop {
            match self.connector.connect().await {
                Ok(connection) => {
                    *self.opening_failed() = None;
                    break connection;
                }
                Err(error) => {
                    // The server's words say more than a timeout of another connection.
                    let others = error.is_timeout().then(|| self.opening_failed_since(begun));
                    let error = others.flatten().unwrap_or(error);
                    let can_pass = error.is_starting() && begun.elapsed() + pause < RETRY;
                    *self.opening_failed() = Some((Instant::now(), error.for_another()));
                    if !can_pass {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
            if may_take_idle && let Some(session) = self.take_usable().await {
                return Ok(session);
            }
        };
        let mut session = Session::new(connection);
        let checked = self.check(&mut session).await;
        if let Err(Error::ReadOnly(reason)) = checked {
            self.health().read_only(reason);
        }
        checked.map(|()| session)
    }

    /// Checks that a connection answers and that its server is suitable. After an error the
    /// connection is not usable.
    async fn check(&self, session: &mut Session) -> Result<(), Error> {
        session.state = State::Broken;
        let sent = Instant::now();
        match check::read_only_reason(&mut session.connection).await {
            Ok(Some(reason)) if self.connector.access() == Access::ReadWrite => {
                self.suspect();
                Err(Error::ReadOnly(reason))
            }
            Ok(_) => {
                session.answered();
                session.checked_at = Some(session.answered_at);
                Ok(())
            }
            Err(error) => {
                if error.is_timeout() {
                    self.unanswered(sent);
                }
                self.suspect();
                Err(error)
            }
        }
    }

    pub(super) fn unanswered(&self, sent: Instant) {
        self.health().unanswered(sent);
    }

    pub(super) fn suspect(&self) {
        self.health().suspect();
    }

    pub(super) fn release(&self, session: Session) {
        if !self.permits.is_closed() {
            self.idle().push(session);
        }
    }

    pub(super) fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opening_failed(&self) -> MutexGuard<'_, Option<(Instant, Error)>> {
        let last = self.opening_failed.lock();
        last.unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, PoolHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
