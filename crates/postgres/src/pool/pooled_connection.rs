//! A connection that a caller has acquired, and its release.

use std::fmt;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::session::{Session, State};
use super::shared::Shared;
use crate::error::Error;

/// A connection of a pool. Dropping it releases it to the pool.
pub struct PooledConnection {
    /// `None` only while it is replaced, and in `drop`.
    session: Option<Session>,
    pub(super) pool: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
}

impl PooledConnection {
    pub(super) fn new(session: Session, pool: Arc<Shared>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            session: Some(session),
            pool,
            permit: Some(permit),
        }
    }

    /// Lets the drop close the connection.
    pub(crate) fn discard(&mut self) {
        self.session().state = State::Broken;
    }

    /// Closes this connection and opens a new one. Idle connections of the pool may be dead too.
    pub(crate) async fn replaced(mut self) -> Result<Self, Error> {
        self.session = None;
        self.session = Some(self.pool.open().await?);
        Ok(self)
    }

    pub(super) fn session(&mut self) -> &mut Session {
        let session = self.session.as_mut();
        session
            .expect("`replaced` owns the connection, so no other call can see it without a session")
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let (pool, permit) = (self.pool.clone(), self.permit.take());
        let Some(session) = self.session.take() else {
            return;
        };
        match (session.state, tokio::runtime::Handle::try_current()) {
            (State::Ready, _) => pool.release(session),
            // The caller was cancelled. Reading the answer is faster than opening a connection.
            (State::Busy, Ok(runtime)) => {
                runtime.spawn(async move {
                    if let Some(session) = session.drained().await {
                        pool.release(session);
                    }
                    drop(permit);
                });
            }
            (State::Busy, Err(_)) | (State::Broken, _) => {}
        }
    }
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection").finish_non_exhaustive()
    }
}
