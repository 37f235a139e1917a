//! Checks whether a connection answers and its server accepts writes. The check is one round trip of
//! the simple query protocol, which leaves no prepared statement.

use std::time::Duration;

use sqlx::{PgExecutor, Row};
use tokio::time::timeout;

use crate::error::{Error, ReadOnly};

/// A connection that takes longer counts as dead.
const LIMIT: Duration = Duration::from_secs(1);

/// `transaction_read_only` is also on with `default_transaction_read_only`, which managed services set
/// when a disk is full.
const QUERY: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";

/// Why the server does not accept writes; `None` if it does.
pub(super) async fn read_only_reason(
    connection: impl PgExecutor<'_>,
) -> Result<Option<ReadOnly>, Error> {
    match timeout(LIMIT, query(connection)).await {
        Ok(reason) => reason,
        Err(_) => Err(Error::timed_out(LIMIT)),
    }
}

/// Fails if the server does not answer or does not accept writes.
pub async fn check_writable(connection: impl PgExecutor<'_>) -> Result<(), Error> {
    match read_only_reason(connection).await? {
        None => Ok(()),
        Some(reason) => Err(Error::ReadOnly(reason)),
    }
}

async fn query(connection: impl PgExecutor<'_>) -> Result<Option<ReadOnly>, Error> {
    let row = sqlx::raw_sql(QUERY).fetch_one(connection).await;
    let row = row.map_err(Error::not_sent)?;
    let (is_standby, is_read_only) = (row.try_get(0), row.try_get(1));
    Ok(match (is_standby?, is_read_only?) {
        (true, _) => Some(ReadOnly::Standby),
        (false, true) => Some(ReadOnly::Setting),
        (false, false) => None,
    })
}
