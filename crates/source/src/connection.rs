//! The connection of a session. Every wait for the server goes through here and has a watchdog.

use std::fmt;
use std::time::Duration;

use exports_postgres::{Client, CopyStream, TextRow, WireConnection};

use crate::backend::Backend;
use crate::error::Error;
use crate::watchdog::{Watchdog, WorkingTime};

/// A connection whose answers are watched. After [`Error::Stalled`] it cannot be used any more.
#[derive(Debug)]
pub(crate) struct SourceConnection {
    wire: WireConnection,
    watchdog: Watchdog,
    /// The server may not notice that it is closed.
    is_lost: bool,
}

/// The bytes of a running COPY.
pub struct SourceRows<'a> {
    copy: CopyStream<'a>,
    watchdog: &'a mut Watchdog,
    working: WorkingTime,
}

impl SourceConnection {
    pub(crate) async fn open(client: &Client, stall_timeout: Duration) -> Result<Self, Error> {
        let mut wire = client.open_wire().await?;
        let backend = Backend::of(&mut wire, client).await?;
        Ok(Self {
            wire,
            watchdog: Watchdog::new(backend, stall_timeout),
            is_lost: false,
        })
    }

    /// Opens a connection, and a transaction with these statements. Behind a pooler in transaction mode, the server
    /// process of the session is only known within the transaction.
    pub(crate) async fn begin(
        client: &Client,
        stall_timeout: Duration,
        begin: &str,
    ) -> Result<Self, Error> {
        let mut wire = client.open_wire().await?;
        wire.query(begin).await?;
        let backend = Backend::of(&mut wire, client).await?;
        Ok(Self {
            wire,
            watchdog: Watchdog::new(backend, stall_timeout),
            is_lost: false,
        })
    }

    #[cfg(test)]
    pub(crate) fn over(socket: impl exports_postgres::Socket + 'static) -> Self {
        let purpose = exports_postgres::PoolPurpose::Command;
        let client = Client::read_only("postgres://u@localhost/e", purpose).unwrap();
        Self {
            wire: WireConnection::over(socket),
            watchdog: Watchdog::new(Backend::unknown(client), Duration::from_mins(1)),
            is_lost: false,
        }
    }

    /// Closes it, and ends the session on the server over another connection.
    pub(crate) fn abandon(mut self) {
        self.is_lost = true;
    }

    /// Runs statements, separated by semicolons. Returns the rows of all.
    pub(crate) async fn query(&mut self, statements: &str) -> Result<Vec<TextRow>, Error> {
        let Self { wire, watchdog, .. } = self;
        watchdog.control(wire.query(statements)).await
    }

    /// The first value of the last row, if there is a row and the value is not NULL.
    pub(crate) async fn value(&mut self, statements: &str) -> Result<Option<String>, Error> {
        let Self { wire, watchdog, .. } = self;
        watchdog.control(wire.value(statements)).await
    }

    /// Whether the only value of a statement is true.
    pub(crate) async fn is_true(&mut self, statement: &str) -> Result<bool, Error> {
        let Self { wire, watchdog, .. } = self;
        watchdog.control(wire.is_true(statement)).await
    }

    /// Starts a `COPY … TO STDOUT`. `working` counts the time in which the server works on it without
    /// sending rows.
    pub(crate) async fn copy(
        &mut self,
        statement: &str,
        working: &WorkingTime,
    ) -> Result<SourceRows<'_>, Error> {
        let Self { wire, watchdog, .. } = self;
        let copy = watchdog.control(wire.copy(statement)).await?;
        Ok(SourceRows {
            copy,
            watchdog,
            working: working.clone(),
        })
    }
}

/// A session that is closed in the middle of an answer may have lost its connection. Then the server does not
/// notice the close, and keeps the snapshot and the locks.
impl Drop for SourceConnection {
    fn drop(&mut self) {
        if self.is_lost || !self.wire.is_ready() {
            self.watchdog.backend().terminate();
        }
    }
}

impl SourceRows<'_> {
    /// Appends received bytes to `rows`, up to a total of `limit` bytes. Waits if none are received yet.
    /// Returns `false` at the end.
    pub async fn read(&mut self, rows: &mut Vec<u8>, limit: usize) -> Result<bool, Error> {
        let read = self.copy.read(rows, limit);
        self.watchdog.rows(read, &self.working).await
    }
}

impl fmt::Debug for SourceRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRows").finish_non_exhaustive()
    }
}
