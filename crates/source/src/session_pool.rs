//! The worker's pool of sessions on the source.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use exports_domain::{MessageFilter, ProjectId, error_line};

use crate::error::Error;
use crate::session::SourceSession;
use crate::snapshot::SnapshotId;
use crate::source::Source;

/// The limit for opening sessions at the start of a worker.
const WARM_UP: Duration = Duration::from_secs(1);
/// A session that is idle for longer is closed.
const IDLE: Duration = Duration::from_mins(1);
/// An older session is closed after its export: its address may lead to another server later.
const LIFETIME: Duration = Duration::from_mins(10);

/// Reuses sessions: opening one takes longer than a small export, and the server's caches make the
/// start of a large export faster. An idle worker keeps one session.
#[derive(Debug, Clone)]
pub struct SessionPool {
    source: Source,
    readers: u16,
    idle: Arc<Mutex<IdleList<SourceSession>>>,
}

impl SessionPool {
    /// A pool for `slots` exports at a time. It has one session per slot, and the additional readers
    /// of one large export.
    #[must_use]
    pub fn new(source: Source, slots: u16, readers: u16) -> Self {
        Self {
            source,
            readers,
            idle: Arc::new(Mutex::new(IdleList {
                items: Vec::new(),
                max: usize::from(slots) + usize::from(readers) - 1,
            })),
        }
    }

    /// Opens the sessions of one large export, so that the first export finds them. Stops after a
    /// short time.
    pub async fn warm_up(&self) {
        if tokio::time::timeout(WARM_UP, self.open_readers())
            .await
            .is_err()
        {
            tracing::debug!(
                "opening sessions on the source timed out, exports open them when needed"
            );
        }
    }

    async fn open_readers(&self) {
        for _ in 0..self.readers {
            match self.source.open_session().await {
                Ok(session) => self.lock().put(session, Instant::now()),
                Err(error) => {
                    let error = error_line(&error);
                    tracing::debug!(error, "a session on the source could not be opened");
                    return;
                }
            }
        }
    }

    /// A session that has begun a snapshot for the messages of a filter.
    pub async fn begin(
        &self,
        project: &ProjectId,
        filter: &MessageFilter,
    ) -> Result<SourceSession, Error> {
        self.acquire(project, Start::Snapshot(filter)).await
    }

    /// A session that has joined the snapshot of another session.
    pub async fn join(
        &self,
        project: &ProjectId,
        snapshot: &SnapshotId,
    ) -> Result<SourceSession, Error> {
        self.acquire(project, Start::Joined(snapshot)).await
    }

    /// Starts a transaction in an idle session or, if all are dead, in a new one.
    async fn acquire(&self, project: &ProjectId, start: Start<'_>) -> Result<SourceSession, Error> {
        while let Some(mut idle) = self.take_idle() {
            let sent = Instant::now();
            match begin(&mut idle, project, start).await {
                Ok(()) => return Ok(idle),
                // A new session would have the same error.
                Err(error @ (Error::Changed { .. } | Error::InitialCopy { .. })) => {
                    return Err(error);
                }
                Err(error @ Error::Promoted) => {
                    tracing::warn!(
                        error = error_line(&error),
                        "reopening all sessions on the source: the promoted source does not receive \
                         what the service's database commits from now on"
                    );
                    self.lock().items.clear();
                }
                // Other idle sessions would wait as long. A new session may reach another server.
                Err(error @ Error::ReplicaBehind { .. }) => {
                    tracing::debug!(%error, "opening a new session on the source");
                    break;
                }
                // What made one connection silent has often done so to all that existed then.
                Err(error @ Error::Stalled { .. }) => {
                    let older = self.lock().remove_older(sent);
                    tracing::warn!(
                        error = error_line(&error),
                        closed = older.len() + 1,
                        "an idle connection to the source was lost, opening a new one"
                    );
                    older.into_iter().for_each(SourceSession::abandon);
                    break;
                }
                Err(error) => tracing::debug!(%error, "closing a dead session on the source"),
            }
        }
        let mut session = self.source.open_session().await?;
        begin(&mut session, project, start).await?;
        Ok(session)
    }

    /// Ends the transaction of a session. Keeps the session if it is in sync, else closes it.
    pub async fn release(&self, session: SourceSession) {
        match session.finish().await {
            Ok(session) if session.age() > LIFETIME => {}
            Ok(session) => self.lock().put(session, Instant::now()),
            Err(error) => tracing::debug!(%error, "closing a session on the source after an error"),
        }
    }

    /// Closes sessions that were idle for too long, but keeps one.
    pub fn close_idle(&self) {
        self.lock().remove_expired(Instant::now());
    }

    /// Takes a session out of the list. The lock is released before the session is used.
    fn take_idle(&self) -> Option<SourceSession> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, IdleList<SourceSession>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn begin(
    session: &mut SourceSession,
    project: &ProjectId,
    start: Start<'_>,
) -> Result<(), Error> {
    match start {
        Start::Snapshot(filter) => session.begin_reading(project, filter).await,
        Start::Joined(snapshot) => session.join(project, snapshot).await,
    }
}

/// How the transaction of a session starts.
#[derive(Debug, Clone, Copy)]
enum Start<'a> {
    /// With a new snapshot, for the messages of a filter.
    Snapshot(&'a MessageFilter),
    /// With the snapshot of another session.
    Joined(&'a SnapshotId),
}

/// Idle items and when they were released. The last one released is at the end.
#[derive(Debug)]
struct IdleList<T> {
    items: Vec<(T, Instant)>,
    max: usize,
}

impl<T> IdleList<T> {
    fn take(&mut self) -> Option<T> {
        self.items.pop().map(|(item, _)| item)
    }

    fn put(&mut self, item: T, now: Instant) {
        if self.items.len() < self.max {
            self.items.push((item, now));
        }
    }

    /// Removes and returns what was released before this time.
    fn remove_older(&mut self, sent: Instant) -> Vec<T> {
        let is_older = |(_, since): &(T, Instant)| *since < sent;
        let count = self.items.partition_point(is_older);
        self.items.drain(..count).map(|(item, _)| item).collect()
    }

    /// Removes expired items, but keeps one.
    fn remove_expired(&mut self, now: Instant) {
        let is_expired = |(_, since): &(T, Instant)| now.duration_since(*since) > IDLE;
        let expired = self.items.partition_point(is_expired);
        let removed = expired.min(self.items.len().saturating_sub(1));
        self.items.drain(..removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_items_are_removed_except_the_last() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut list = IdleList {
            items: Vec::new(),
            max: 3,
        };
        for (item, seconds) in [('a', 0), ('b', 30), ('c', 40), ('d', 50)] {
            list.put(item, at(seconds));
        }
        list.remove_expired(at(60));
        assert_eq!(list.items.len(), 3, "the list is full");
        list.remove_expired(at(95));
        assert_eq!(
            list.take(),
            Some('c'),
            "the item released last is taken first"
        );
        list.put('c', at(95));
        list.remove_expired(at(200));
        assert_eq!(list.take(), Some('c'));
        assert_eq!(list.take(), None);
    }

    #[test]
    fn items_released_before_an_unanswered_statement_are_removed() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let items = [('a', 0), ('b', 10), ('c', 20)];
        let items = items.map(|(item, seconds)| (item, at(seconds))).to_vec();
        let mut list = IdleList { items, max: 3 };
        assert_eq!(list.remove_older(at(15)), ['a', 'b']);
        assert_eq!(list.take(), Some('c'));
        assert_eq!(list.take(), None);
    }
}
