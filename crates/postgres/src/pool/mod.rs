//! A pool of sqlx connections that are checked before use.
//!
//! sqlx's own pool cannot store data with a connection, so it cannot do the following:
//!
//! - Half-open TCP connections: packets are lost and no reset arrives. If one connection does not
//!   answer, every other connection without an answer since then is closed without waiting.
//! - Failover: an address can lead to a read-only server, such as the old primary. Connections are
//!   checked for that when they are opened and every few seconds of use, in the round trip that also
//!   tests an idle connection. After one read-only connection all others are checked.
//! - Cancellation: if a caller stops waiting for an answer, the connection is drained or closed before
//!   it is used again.

mod after_error;
mod check;
mod executor;
mod health;
mod pooled_connection;
mod session;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::availability::Observer;
use crate::connector::Connector;
use crate::error::Error;
use crate::timeouts::ACQUIRE_TIMEOUT;
use shared::Shared;

pub use check::check_writable;
pub use pooled_connection::PooledConnection;

/// A connection pool. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Shared>);

impl Pool {
    /// A pool of at most `size` connections. They are opened when they are first needed. A connection
    /// without an answer for `answer_limit` is dead.
    pub(crate) fn new(connector: Arc<Connector>, size: u32, answer_limit: Duration) -> Self {
        Self(Arc::new(Shared::new(connector, size, answer_limit)))
    }

    /// A connection that answers and has a suitable server.
    pub(crate) async fn acquire(&self) -> Result<PooledConnection, Error> {
        self.in_time(async {
            let permit = self.0.permits.clone().acquire_owned().await;
            let permit = permit.map_err(|_| Error::not_sent(sqlx::Error::PoolClosed))?;
            let session = match self.0.take_usable().await {
                Some(session) => session,
                None => self.0.open_or_take_idle().await?,
            };
            Ok(PooledConnection::new(session, self.0.clone(), permit))
        })
        .await
    }

    /// Like [`Self::acquire`], but always a new connection. It replaces the idle connection that was
    /// unused for the longest time, so that the pool does not grow.
    pub(crate) async fn acquire_new(&self) -> Result<PooledConnection, Error> {
        self.in_time(async {
            let permit = self.0.permits.clone().acquire_owned().await;
            let permit = permit.map_err(|_| Error::not_sent(sqlx::Error::PoolClosed))?;
            self.0.close_oldest_idle();
            let session = self.0.open().await?;
            Ok(PooledConnection::new(session, self.0.clone(), permit))
        })
        .await
    }

    /// A new connection beyond the pool's size, for a statement that another connection does not
    /// answer. Waits while all spare connections are in use.
    pub(crate) async fn acquire_spare(&self) -> Result<PooledConnection, Error> {
        self.in_time(async {
            let permit = self.0.spares.clone().acquire_owned().await;
            let permit = permit.map_err(|_| Error::not_sent(sqlx::Error::PoolClosed))?;
            let session = self.0.open().await?;
            Ok(PooledConnection::new(session, self.0.clone(), permit))
        })
        .await
    }

    async fn in_time(
        &self,
        acquiring: impl Future<Output = Result<PooledConnection, Error>>,
    ) -> Result<PooledConnection, Error> {
        let begun = Instant::now();
        if let Ok(acquired) = timeout(ACQUIRE_TIMEOUT, acquiring).await {
            return acquired;
        }
        // Usually the callers that have a permit cannot connect. Their reason says what to do.
        let error = self
            .0
            .opening_failed_since(begun)
            .unwrap_or_else(|| Error::not_sent(sqlx::Error::PoolTimedOut));
        self.0.report(Err(&error));
        Err(error)
    }

    /// Reports to `observer` from now on. Only the first call has an effect.
    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        // It is set already: the other part of the program that shares this pool has the same observer.
        let _ = self.0.observer.set(observer);
    }

    /// Reports that a request sent at this time is unanswered, while other connections answer.
    pub(crate) fn report_unanswered(&self, sent: Instant) {
        self.0.unanswered(sent);
    }

    /// How many connections are idle, and how many are in use.
    pub(crate) fn usage(&self) -> (u32, u32) {
        let size = self.0.size;
        let free = u32::try_from(self.0.permits.available_permits()).unwrap_or(size);
        let idle = u32::try_from(self.0.idle().len()).unwrap_or(size);
        (idle.min(free), size.saturating_sub(free))
    }

    pub(crate) fn size(&self) -> u32 {
        self.0.size
    }

    /// Waits until every connection is released, then closes all. From then on, acquiring fails.
    pub(crate) async fn close(&self) {
        let all = self.0.permits.clone().acquire_many_owned(self.0.size).await;
        self.0.permits.close();
        self.0.spares.close();
        drop(all);
        let idle = std::mem::take(&mut *self.0.idle());
        for session in idle {
            session.close().await;
        }
    }
}
