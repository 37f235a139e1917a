//! What a connection leads to: one question in one round trip, over the simple protocol, which
//! leaves nothing behind in the session.

use std::time::Duration;

use sqlx::{PgExecutor, Row};
use tokio::time::timeout;

use crate::error::{Error, ReadOnly};

/// A connection that takes longer for this question is taken for dead.
const LIMIT: Duration = Duration::from_secs(1);

/// The second also tells of `default_transaction_read_only`, which managed services set when a
/// disk is full.
const QUESTION: &str =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";

/// Why the server takes no writes; `None` if it does.
pub(super) async fn state(connection: impl PgExecutor<'_>) -> Result<Option<ReadOnly>, Error> {
    match timeout(LIMIT, ask(connection)).await {
        Ok(state) => state,
        Err(_) => Err(Error::silence(LIMIT)),
    }
}

/// Fails on a connection that takes no writes, or does not answer.
pub async fn check_writable(connection: impl PgExecutor<'_>) -> Result<(), Error> {
    match state(connection).await? {
        None => Ok(()),
        Some(why) => Err(Error::ReadOnly(why)),
    }
}

async fn ask(connection: impl PgExecutor<'_>) -> Result<Option<ReadOnly>, Error> {
    let row = sqlx::raw_sql(QUESTION).fetch_one(connection).await;
    let row = row.map_err(Error::unsent)?;
    let (is_standby, is_read_only) = (row.try_get(0), row.try_get(1));
    Ok(match (is_standby?, is_read_only?) {
        (true, _) => Some(ReadOnly::Standby),
        (false, true) => Some(ReadOnly::Setting),
        (false, false) => None,
    })
}
