//! How long the queue is, for operators: counted by its small indexes, so that asking every few
//! seconds costs little however many exports have ended.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;

/// The exports that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Those that a worker may take now. The age counts from when they were due.
    pub pending: QueueState,
    /// Those that wait out the pause after an attempt. The age counts from when they were created.
    pub retrying: QueueState,
    /// Those that a worker holds, or held until its lease ended. The age counts from the begin of
    /// the attempt.
    pub processing: QueueState,
}

/// The exports in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// How many there are.
    pub exports: u64,
    /// The age of the oldest; zero if there is none.
    pub oldest_age: Duration,
}

impl QueueState {
    fn new(exports: i64, oldest_age_seconds: f64) -> Self {
        Self {
            exports: u64::try_from(exports).unwrap_or_default(),
            // Negative only if the server's clock was set back.
            oldest_age: Duration::try_from_secs_f64(oldest_age_seconds).unwrap_or_default(),
        }
    }
}

impl Database {
    /// Counts the exports that have not ended, all at the same moment.
    pub async fn queue_depth(&self) -> Result<QueueDepth, Error> {
        let row = sqlx::query!(
            r#"
            SELECT pending.exports AS "pending!", pending.age AS "pending_age!",
                   retrying.exports AS "retrying!", retrying.age AS "retrying_age!",
                   processing.exports AS "processing!", processing.age AS "processing_age!"
            FROM (SELECT count(*) AS exports,
                         coalesce(extract(epoch FROM statement_timestamp() - min(due_at)), 0)::float8 AS age
                  FROM exports
                  WHERE status = 'pending' AND due_at <= statement_timestamp()) pending
            CROSS JOIN
                 (SELECT count(*) AS exports,
                         coalesce(extract(epoch FROM statement_timestamp() - min(created_at)), 0)::float8 AS age
                  FROM exports
                  WHERE status = 'pending' AND due_at > statement_timestamp()) retrying
            CROSS JOIN
                 (SELECT count(*) AS exports,
                         coalesce(extract(epoch FROM statement_timestamp() - min(started_at)), 0)::float8 AS age
                  FROM exports
                  WHERE processing_since >= '-infinity') processing
            "#,
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(QueueDepth {
            pending: QueueState::new(row.pending, row.pending_age),
            retrying: QueueState::new(row.retrying, row.retrying_age),
            processing: QueueState::new(row.processing, row.processing_age),
        })
    }
}
