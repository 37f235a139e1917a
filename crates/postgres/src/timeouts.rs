//! How long connecting may take.

use std::time::Duration;

use tokio::time::timeout;

use crate::error::Error;

/// The limit for connecting, for all hosts of an address together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The limit for getting a connection. After it the database counts as unavailable.
pub const ACQUIRE_TIMEOUT: Duration = CONNECT_TIMEOUT;

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
