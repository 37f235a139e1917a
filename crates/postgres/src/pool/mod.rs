//! A pool of connections that knows of each one when it last answered and what it leads to.
//!
//! sqlx's own pool keeps no state of ours beside a connection, so it cannot do what is needed here:
//!
//! - A flow can die silently: packets vanish and nobody resets it. The first connection that does not
//!   answer makes every other suspect that has not answered since; those are closed without waiting.
//! - An address can lead to a server that takes no writes: the old primary after a failover, a
//!   standby. Connections are checked for that when they are opened and every few seconds of use, in
//!   the same round trip that tests an idle one. The first that is read-only makes all suspect.
//! - A statement whose answer is not waited for any more leaves its connection out of step. Such a
//!   connection is drained or closed, and never handed out as it is.

mod after_error;
mod check;
mod executor;
mod pooled_connection;
mod session;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::client::ACQUIRE_TIMEOUT;
use crate::sqlx_connector::Connector;
use crate::error::{Error, ReadOnly};

pub use check::check_writable;
pub use pooled_connection::PooledConnection;
use session::{Session, Step};

/// A connection that answered less than this ago is not tested before its next use. It is longer
/// than an idle worker's pause between two looks at the queue, which would cost a query more each.
const FRESH: Duration = Duration::from_secs(2);
/// A connection is used for this long before it is asked again whether it takes writes.
const CHECKED: Duration = Duration::from_secs(5);
/// A connection that nobody needed for this long is closed.
const IDLE: Duration = Duration::from_mins(10);
/// No connection is used for longer: its address may lead elsewhere by now.
const LIFETIME: Duration = Duration::from_mins(30);
/// A server that starts or is full is tried again for this long, less than is waited for a connection.
const CONNECT: Duration = Duration::from_secs(4);
/// For so long nobody connects again to an address that led to a read-only server.
const READ_ONLY_PAUSE: Duration = Duration::from_millis(500);
/// Connections beyond the pool's size, for statements that are asked again while the first answer
/// is still waited for.
const SPARES: usize = 2;

/// What a pool's connections have to be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads and writes: only a primary will do.
    ReadWrite,
    /// Reads: a standby does as well.
    ReadOnly,
}

/// A pool. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    access: Access,
    size: u32,
    permits: Arc<Semaphore>,
    spares: Arc<Semaphore>,
    /// The one that was used last is at the end, and the next to be used.
    idle: Mutex<Vec<Session>>,
    suspicion: Mutex<Suspicion>,
}

/// What is known of all connections, from what happened to one.
#[derive(Debug, Clone, Copy, Default)]
struct Suspicion {
    /// Something that was sent at this time was not answered. Who has not answered since is dead, too.
    silent_at: Option<Instant>,
    /// A connection broke or was found read-only at this time. Who was not checked since has to be.
    doubtful_at: Option<Instant>,
    /// A new connection was found read-only at this time.
    read_only: Option<(Instant, ReadOnly)>,
}

impl Pool {
    /// At most `size` connections, each opened when it is first needed.
    pub(crate) fn new(connector: Arc<Connector>, size: u32, access: Access) -> Self {
        Self(Arc::new(Shared {
            connector,
            access,
            size,
            // A u32 fits on every platform that tokio runs on.
            permits: Arc::new(Semaphore::new(size as usize)),
            spares: Arc::new(Semaphore::new(SPARES)),
            idle: Mutex::default(),
            suspicion: Mutex::default(),
        }))
    }

    /// A connection that answers and is good for the pool's access.
    pub(crate) async fn acquire(&self) -> Result<PooledConnection, Error> {
        let acquired = timeout(ACQUIRE_TIMEOUT, async {
            let permit = self.0.permits.clone().acquire_owned().await;
            let permit = permit.map_err(|_| Error::unsent(sqlx::Error::PoolClosed))?;
            while let Some(mut session) = self.take_idle() {
                if self.is_good(&mut session).await {
                    return Ok(self.lend(session, permit));
                }
            }
            Ok(self.lend(self.open().await?, permit))
        });
        acquired
            .await
            .unwrap_or_else(|_| Err(Error::unsent(sqlx::Error::PoolTimedOut)))
    }

    /// A new connection beside those of the pool, for a statement that another one is slow to
    /// answer. Waits as long as others have all that there may be.
    pub(crate) async fn acquire_spare(&self) -> Result<PooledConnection, Error> {
        let permit = self.0.spares.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::unsent(sqlx::Error::PoolClosed))?;
        Ok(self.lend(self.open().await?, permit))
    }

    /// Something that was sent at this time was not answered, while others are.
    pub(crate) fn distrust_silent(&self, sent: Instant) {
        let mut suspicion = self.suspicion();
        suspicion.silent_at = suspicion.silent_at.max(Some(sent));
    }

    fn distrust_unchecked(&self) {
        self.suspicion().doubtful_at = Some(Instant::now());
    }

    /// How many connections lie idle, and how many are in use.
    pub(crate) fn usage(&self) -> (u32, u32) {
        let free = u32::try_from(self.0.permits.available_permits()).unwrap_or(self.0.size);
        let idle = u32::try_from(self.idle().len()).unwrap_or(self.0.size);
        (idle.min(free), self.0.size.saturating_sub(free))
    }

    pub(crate) fn access(&self) -> Access {
        self.0.access
    }

    pub(crate) fn size(&self) -> u32 {
        self.0.size
    }

    /// Waits until every connection is given back, and closes them. Nobody gets one from now on.
    pub(crate) async fn close(&self) {
        let all = self.0.permits.clone().acquire_many_owned(self.0.size).await;
        self.0.permits.close();
        self.0.spares.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for session in idle {
            session.close().await;
        }
    }

    /// The connection that was used last. Closes those that are no longer needed.
    fn take_idle(&self) -> Option<Session> {
        let mut idle = self.idle();
        let unneeded = |session: &Session| session.answered_at.elapsed() > IDLE;
        // Those that lie idle the longest are at the front.
        while idle.first().is_some_and(unneeded) {
            let unneeded = idle.remove(0);
            tokio::spawn(unneeded.close());
        }
        idle.pop()
    }

    fn lend(&self, session: Session, permit: OwnedSemaphorePermit) -> PooledConnection {
        PooledConnection::new(session, self.clone(), permit)
    }

    async fn is_good(&self, session: &mut Session) -> bool {
        if session.opened_at.elapsed() > LIFETIME {
            return false;
        }
        let Suspicion {
            silent_at,
            doubtful_at,
            ..
        } = *self.suspicion();
        if silent_at.is_some_and(|silent_at| session.answered_at < silent_at) {
            return false;
        }
        let is_checked = session.checked_at.is_some_and(|checked_at| {
            checked_at.elapsed() < CHECKED && Some(checked_at) > doubtful_at
        });
        if is_checked && session.answered_at.elapsed() < FRESH {
            return true;
        }
        match self.check(session).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "a pooled connection is replaced");
                false
            }
        }
    }

    /// Opens a connection and checks it. Waits a little for a server that starts.
    async fn open(&self) -> Result<Session, Error> {
        let known = self.suspicion().read_only;
        if let Some((at, why)) = known
            && at.elapsed() < READ_ONLY_PAUSE
        {
            return Err(Error::ReadOnly(why));
        }
        let begun = Instant::now();
        let mut pause = Duration::from_millis(10);
        let connection = loop {
            match self.0.connector.connect().await {
                Ok(connection) => break connection,
                Err(error) if error.is_starting() && begun.elapsed() + pause < CONNECT => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                Err(error) => return Err(error),
            }
        };
        let mut session = Session::new(connection);
        let checked = self.check(&mut session).await;
        if let Err(Error::ReadOnly(why)) = checked {
            self.suspicion().read_only = Some((Instant::now(), why));
        }
        checked.map(|()| session)
    }

    /// Asks a connection whether it is good for the pool's access. One that is not is of no use.
    async fn check(&self, session: &mut Session) -> Result<(), Error> {
        session.step = Step::Lost;
        let sent = Instant::now();
        match check::state(&mut session.connection).await {
            Ok(None) => {}
            Ok(Some(_)) if self.0.access == Access::ReadOnly => {}
            Ok(Some(why)) => {
                self.distrust_unchecked();
                return Err(Error::ReadOnly(why));
            }
            Err(error) => {
                if error.is_silence() {
                    self.distrust_silent(sent);
                }
                self.distrust_unchecked();
                return Err(error);
            }
        }
        session.answered();
        session.checked_at = Some(session.answered_at);
        Ok(())
    }

    fn release(&self, session: Session) {
        if !self.0.permits.is_closed() {
            self.idle().push(session);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn suspicion(&self) -> MutexGuard<'_, Suspicion> {
        let suspicion = self.0.suspicion.lock();
        suspicion.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("size", &self.size)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}
