//! How long connecting may take.

use std::time::Duration;

use tokio::time::timeout;

use crate::client::PoolPurpose;
use crate::error::Error;

/// The limit for connecting, for all hosts of an address together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The limit for getting a connection. After it the database counts as unavailable.
pub const ACQUIRE_TIMEOUT: Duration = CONNECT_TIMEOUT;

/// The limits of a pool's statements, which read or write a few rows each.
pub(crate) struct Limits {
    /// The server cancels a statement after this time (`statement_timeout`).
    pub(crate) statement: &'static str,
    /// A connection without an answer for this time is dead. It is longer than `statement`, so that a
    /// slow statement is not taken for a dead connection.
    pub(crate) answer: Duration,
}

impl Limits {
    pub(crate) fn of(purpose: PoolPurpose) -> Self {
        let (statement, answer) = match purpose {
            // A request waits for several statements, and its timeout is 30 s.
            // Consumers share the pool: a slow statement must not occupy a connection for long.
            PoolPurpose::Api => ("2s", 3),
            PoolPurpose::Worker { .. } => ("5s", 6),
            PoolPurpose::Command => ("10s", 12),
        };
        let answer = Duration::from_secs(answer);
        Self { statement, answer }
    }
}

/// Connects within [`ACQUIRE_TIMEOUT`]. An error is never ambiguous: no statement was sent.
pub(crate) async fn connect_in_time<T, E>(
    connecting: impl Future<Output = Result<T, E>>,
) -> Result<T, Error>
where
    Error: From<E>,
{
    match timeout(ACQUIRE_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(Error::not_sent),
        Err(_) => Err(Error::timed_out(ACQUIRE_TIMEOUT)),
    }
}
