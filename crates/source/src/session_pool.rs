//! The worker's sessions on the source, used again from one export to the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use exports_domain::{MessageFilter, ProjectId, error_line};

use crate::error::Error;
use crate::session::SourceSession;
use crate::snapshot::SnapshotId;
use crate::source::Source;

/// How long opening sessions ahead may take: no export waits longer for a source that stalls.
const OPENING: Duration = Duration::from_secs(1);
/// How long a session is kept for the next export.
const KEPT: Duration = Duration::from_mins(1);
/// A session that is older is not kept: its address may lead to another server by now.
const LIFETIME: Duration = Duration::from_mins(10);

/// Opens sessions and keeps them for a while: opening one takes longer than a small export, and
/// what the server has at hand for it makes the start of a large one quicker. An idle worker keeps
/// one.
#[derive(Debug, Clone)]
pub struct SessionPool {
    source: Source,
    readers: u16,
    idle: Arc<Mutex<Kept<SourceSession>>>,
}

impl SessionPool {
    /// Keeps one for each slot at most, and those that a large export has besides.
    #[must_use]
    pub fn new(source: Source, slots: u16, readers: u16) -> Self {
        Self {
            source,
            readers,
            idle: Arc::new(Mutex::new(Kept {
                idle: Vec::new(),
                most: usize::from(slots) + usize::from(readers) - 1,
            })),
        }
    }

    /// Opens as many as a large export has, so that the first export finds them. Gives up soon.
    pub async fn open_ahead(&self) {
        let opening = tokio::time::timeout(OPENING, self.open_for_an_export());
        if opening.await.is_err() {
            tracing::debug!("sessions are not opened before they are needed: it takes too long");
        }
    }

    async fn open_for_an_export(&self) {
        for _ in 0..self.readers {
            match self.source.open_session().await {
                Ok(session) => self.lock().keep(session, Instant::now()),
                Err(error) => {
                    let error = error_line(&error);
                    tracing::debug!(error, "a session is not opened before it is needed");
                    return;
                }
            }
        }
    }

    /// A session whose snapshot has begun, for the messages of a filter.
    pub async fn begin(
        &self,
        project: &ProjectId,
        filter: &MessageFilter,
    ) -> Result<SourceSession, Error> {
        self.with(project, Start::Snapshot(filter)).await
    }

    /// A session that has joined another's snapshot.
    pub async fn join(
        &self,
        project: &ProjectId,
        snapshot: &SnapshotId,
    ) -> Result<SourceSession, Error> {
        self.with(project, Start::Joined(snapshot)).await
    }

    /// A kept session, or a new one if all have died meanwhile.
    async fn with(&self, project: &ProjectId, start: Start<'_>) -> Result<SourceSession, Error> {
        while let Some(mut kept) = self.take() {
            match begin(&mut kept, project, start).await {
                Ok(()) => return Ok(kept),
                // A new one would meet the same.
                Err(error @ (Error::Changed { .. } | Error::Copying { .. })) => {
                    return Err(error);
                }
                Err(error @ Error::Promoted) => {
                    tracing::warn!(
                        error = error_line(&error),
                        "the sessions on the source are opened anew: what the service's own database \
                         commits from now on does not come to a source that was promoted"
                    );
                    self.lock().idle.clear();
                }
                // Another kept one would wait as long; a new one may be on another server.
                Err(error @ Error::ReplicaBehind { .. }) => {
                    tracing::debug!(%error, "a new session is opened");
                    break;
                }
                Err(error) => tracing::debug!(%error, "a kept session had died"),
            }
        }
        let mut session = self.source.open_session().await?;
        begin(&mut session, project, start).await?;
        Ok(session)
    }

    /// Ends a session's snapshot. Keeps it if it is in step; closes any other.
    pub async fn release(&self, session: SourceSession) {
        match session.finish().await {
            Ok(session) if session.age() > LIFETIME => {}
            Ok(session) => self.lock().keep(session, Instant::now()),
            Err(error) => tracing::debug!(%error, "a session is not kept"),
        }
    }

    /// Closes those that nobody took for a while, but one.
    pub fn close_unused(&self) {
        self.lock().drop_unused(Instant::now());
    }

    fn take(&self) -> Option<SourceSession> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Kept<SourceSession>> {
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

/// How a session's transaction starts.
#[derive(Debug, Clone, Copy)]
enum Start<'a> {
    /// With a snapshot of its own, for the messages of a filter.
    Snapshot(&'a MessageFilter),
    /// With another session's.
    Joined(&'a SnapshotId),
}

/// Things and when they were given back, the last at the end.
#[derive(Debug)]
struct Kept<T> {
    idle: Vec<(T, Instant)>,
    most: usize,
}

impl<T> Kept<T> {
    fn take(&mut self) -> Option<T> {
        self.idle.pop().map(|(thing, _)| thing)
    }

    fn keep(&mut self, thing: T, now: Instant) {
        if self.idle.len() < self.most {
            self.idle.push((thing, now));
        }
    }

    fn drop_unused(&mut self, now: Instant) {
        let unused = |(_, since): &(T, Instant)| now.duration_since(*since) > KEPT;
        let unused = self.idle.partition_point(unused);
        let dropped = unused.min(self.idle.len().saturating_sub(1));
        self.idle.drain(..dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_dropped_but_for_one() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut kept = Kept {
            idle: Vec::new(),
            most: 3,
        };
        for (thing, seconds) in [('a', 0), ('b', 30), ('c', 40), ('d', 50)] {
            kept.keep(thing, at(seconds));
        }
        kept.drop_unused(at(60));
        assert_eq!(kept.idle.len(), 3, "there is no place for a fourth");
        kept.drop_unused(at(95));
        assert_eq!(kept.take(), Some('c'), "the one that was used last");
        kept.keep('c', at(95));
        kept.drop_unused(at(200));
        assert_eq!(kept.take(), Some('c'));
        assert_eq!(kept.take(), None);
    }
}
