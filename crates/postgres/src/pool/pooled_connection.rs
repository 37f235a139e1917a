//! A connection in somebody's hands, and its way back into the pool.

use std::fmt;

use tokio::sync::OwnedSemaphorePermit;

use super::Pool;
use super::session::{Session, Step};
use crate::error::Error;

/// A connection of a pool, which goes back when dropped.
pub struct PooledConnection {
    /// There, but while it is renewed and when it is dropped.
    session: Option<Session>,
    pub(super) pool: Pool,
    permit: Option<OwnedSemaphorePermit>,
}

impl PooledConnection {
    pub(super) fn new(session: Session, pool: Pool, permit: OwnedSemaphorePermit) -> Self {
        Self {
            session: Some(session),
            pool,
            permit: Some(permit),
        }
    }

    /// Closes the connection when it is dropped, whatever its state.
    pub(crate) fn discard(&mut self) {
        self.session().step = Step::Lost;
    }

    /// A new connection in place of this one, which is closed. The others of the pool may be as dead.
    pub(crate) async fn renewed(mut self) -> Result<Self, Error> {
        self.session = None;
        self.session = Some(self.pool.open().await?);
        Ok(self)
    }

    pub(super) fn session(&mut self) -> &mut Session {
        let session = self.session.as_mut();
        session.expect("a connection that is renewed is in nobody's hands")
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let (pool, permit) = (self.pool.clone(), self.permit.take());
        let Some(session) = self.session.take() else {
            return;
        };
        match (session.step, tokio::runtime::Handle::try_current()) {
            (Step::Ready, _) => pool.release(session),
            // Whoever asked has gone away. Opening another takes longer than reading the answer.
            (Step::Asked, Ok(runtime)) => {
                runtime.spawn(async move {
                    if let Some(session) = session.drained().await {
                        pool.release(session);
                    }
                    drop(permit);
                });
            }
            (Step::Asked, Err(_)) | (Step::Lost, _) => {}
        }
    }
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection").finish_non_exhaustive()
    }
}
