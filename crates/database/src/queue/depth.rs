//! Queue depth and age, for metrics. The counts use the partial indexes of the queue, so ended exports
//! cost nothing.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;

/// The number and age of the active exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Due now. Age since `due_at`.
    pub pending: QueueState,
    /// Waiting for a retry. Age since `created_at`.
    pub retrying: QueueState,
    /// Held by a worker, or left with an expired lease. Age since the start of the attempt.
    pub processing: QueueState,
}

/// The exports in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// How many.
    pub exports: u64,
    /// Age of the oldest; zero if there is none.
    pub oldest_age: Duration,
}

impl QueueState {
    fn new(exports: i64, oldest_age_seconds: f64) -> Self {
        Self {
            exports: u64::try_from(exports).unwrap_or_default(),
            // Negative if the server's clock was set back.
            oldest_age: Duration::try_from_secs_f64(oldest_age_seconds).unwrap_or_default(),
        }
    }
}

impl Database {
    /// Counts the active exports at one moment.
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
                  WHERE status = 'pending' AND due_at > statement_timestamp()
                    -- Without the exports of suspended projects.
                    AND resume_due_at IS NULL) retrying
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
