//! Estimates how many messages an export would have, before it is created.
//!
//! It costs the server no more than the limit: each statement has a timeout, and if the caller no longer waits, the
//! drop of the connection ends its session. Everything is one transaction, because the API may reach the server
//! through a pooler in transaction mode. The connection is not from the pool.

use std::time::Duration;

use exports_domain::{MessageFilter, ProjectId};
use tokio::time::{Instant, timeout_at};

use crate::catalogue::Catalogue;
use crate::connection::SourceConnection;
use crate::error::Error;
use crate::row::values;
use crate::settings::RowSecurity;
use crate::source::Source;
use crate::statements::Statements;

/// From this number of messages on, they are not counted.
const MAX_COUNTED: u64 = 10_000;
/// What remains of the limit after the server's timeout, for its answer.
const ANSWER: Duration = Duration::from_millis(100);
/// `query_canceled`: the statement timeout.
const CANCELED: &str = "57014";

/// A number of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowCount {
    /// The messages.
    pub rows: u64,
    /// Whether they were counted. Otherwise the number is the planner's estimate.
    pub is_exact: bool,
}

/// What is known before the messages are counted.
struct Planned {
    connection: SourceConnection,
    /// The planner's estimate.
    rows: u64,
    /// The statement that counts up to [`MAX_COUNTED`] messages.
    count: String,
}

impl Source {
    /// The number of messages that a filter selects: exact if there are fewer than 10,000 and they can be counted
    /// within the limit, otherwise from the planner's statistics.
    pub async fn count_rows(
        &self,
        project: &ProjectId,
        filter: &MessageFilter,
        limit: Duration,
    ) -> Result<RowCount, Error> {
        let deadline = Instant::now() + limit;
        let timed_out = |_| Error::from(exports_postgres::Error::timed_out(limit));
        let planned = timeout_at(deadline, self.plan(project, filter, deadline));
        let planned = planned.await.map_err(timed_out)??;
        let estimated = planned.rows;
        let counted = timeout_at(deadline, planned.count(deadline)).await;
        Ok(match counted.unwrap_or(Ok(None))? {
            Some(rows) if rows < MAX_COUNTED => RowCount {
                rows,
                is_exact: true,
            },
            at_least => RowCount {
                rows: estimated.max(at_least.unwrap_or(0)),
                is_exact: false,
            },
        })
    }

    async fn plan(
        &self,
        project: &ProjectId,
        filter: &MessageFilter,
        deadline: Instant,
    ) -> Result<Planned, Error> {
        let row_security = match self.row_security() {
            RowSecurity::Refuse => "; SET LOCAL row_security = off",
            RowSecurity::Apply => "",
        };
        let begin = format!(
            "BEGIN READ ONLY; {}; SET LOCAL jit = off{row_security}",
            timeout_setting(deadline)
        );
        let mut connection = SourceConnection::begin(self.client(), ANSWER, &begin).await?;
        let catalogue = Catalogue::query(&mut connection).await?;
        let statements = Statements::new(project, filter, &catalogue);
        let explain = format!("EXPLAIN {}", statements.matching(None));
        let plan = connection.query(&explain).await?.into_iter().next();
        let rows = plan.map(values).transpose()?;
        let rows = rows.and_then(|[line]| planned_rows(&line?));
        let few = statements.matching(Some(MAX_COUNTED));
        Ok(Planned {
            connection,
            rows: rows.ok_or(Error::UnexpectedAnswer("EXPLAIN"))?,
            count: format!("SELECT count(*) FROM ({few}) few"),
        })
    }
}

impl Planned {
    /// Counts the messages; `None` if it takes too long.
    async fn count(mut self, deadline: Instant) -> Result<Option<u64>, Error> {
        let connection = &mut self.connection;
        connection.query(&timeout_setting(deadline)).await?;
        let rows = match connection.value(&self.count).await {
            Err(error) if error.sql_state().as_deref() == Some(CANCELED) => return Ok(None),
            counted => counted?,
        };
        connection.query("COMMIT").await?;
        let rows = rows.and_then(|rows| rows.parse().ok());
        rows.map(Some).ok_or(Error::UnexpectedAnswer("the count"))
    }
}

/// Makes the server end a statement before the deadline.
fn timeout_setting(deadline: Instant) -> String {
    let left = deadline.saturating_duration_since(Instant::now());
    // 0 would mean no timeout.
    let timeout = left.saturating_sub(ANSWER).as_millis().max(1);
    format!("SET LOCAL statement_timeout = {timeout}")
}

/// The number of rows in the first line of a plan.
fn planned_rows(line: &str) -> Option<u64> {
    let (_, rows) = line.split_once(" rows=")?;
    rows.split_once(' ')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planners_rows_are_in_the_first_line() {
        let line =
            "Index Scan using messages_export on messages m  (cost=0.56..8.58 rows=120 width=4)";
        assert_eq!(planned_rows(line), Some(120));
        assert_eq!(planned_rows("Result"), None);
    }
}
