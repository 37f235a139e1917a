//! What a process remembers of the queue, so that its claims do not pass everything that has been
//! through it.
//!
//! Beside a long snapshot no index entry of an export that has moved on can be removed, and a
//! statement that looks for what is pending passes them all. A survey tells where to look instead:
//! which projects had something pending, and since when; which exports were held. A claim begins
//! there, and adds what came into the queue since, which the database notes by its own clock.
//!
//! A survey from the one before costs what a claim costs; one from nothing reads the whole queue,
//! dead entries included. What the memory can miss is an export whose transaction took longer than
//! [`IN_FLIGHT`] to become visible. A survey from nothing finds it: take one from time to time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;

/// How long before a survey something may have come into the queue that the survey did not see.
const IN_FLIGHT: Duration = Duration::from_secs(5);

/// What was in the queue at some moment. The default knows nothing: what uses it reads everything.
#[derive(Debug, Clone, Default)]
pub struct QueueHints {
    /// What came into the queue from here on is to be read anew; `None`: all of it.
    pub(crate) since: Option<DateTime<Utc>>,
    /// The projects that had something pending.
    pub(crate) projects: Vec<String>,
    /// For each of them, when the first of it is due: nothing of the project was due before.
    pub(crate) due_from: Vec<DateTime<Utc>>,
    /// The exports that were being processed, or had been left by their workers.
    pub(crate) processing: Vec<Uuid>,
    lease_ended: bool,
}

impl QueueHints {
    /// Whether some worker had left an export: its lease had ended.
    #[must_use]
    pub fn lease_ended(&self) -> bool {
        self.lease_ended
    }
}

impl Database {
    /// Looks over the queue, starting from what was `known` of it.
    pub async fn queue_hints(&self, known: &QueueHints) -> Result<QueueHints, Error> {
        let row = sqlx::query!(
            r#"
            WITH RECURSIVE arrived AS (
                -- See the claim, which reads what has arrived in the same way.
                (SELECT e.pending_since, e.project_id, e.due_at FROM exports e
                 WHERE e.pending_since >= coalesce($1::timestamptz, '-infinity')
                 ORDER BY e.pending_since, e.project_id, e.due_at LIMIT 1)
                UNION ALL
                SELECT later.* FROM arrived CROSS JOIN LATERAL (
                    SELECT e.pending_since, e.project_id, e.due_at FROM exports e
                    WHERE (e.pending_since, e.project_id) > (arrived.pending_since, arrived.project_id)
                      AND e.pending_since >= arrived.pending_since
                    ORDER BY e.pending_since, e.project_id, e.due_at LIMIT 1) later
            ), pending AS (
                SELECT project_id, min(due_at) AS due_from
                FROM (SELECT project_id, due_at FROM arrived
                      UNION ALL
                      SELECT known.project_id, first.due_at
                      FROM unnest($2::text[], $3::timestamptz[]) known (project_id, due_from)
                      CROSS JOIN LATERAL (
                          SELECT e.due_at FROM exports e
                          WHERE e.status = 'pending' AND e.project_id = known.project_id
                            AND e.due_at >= known.due_from
                          ORDER BY e.due_at LIMIT 1) first) found
                GROUP BY project_id
            ), held AS MATERIALIZED (
                SELECT id, lease_expires_at FROM exports
                WHERE id = ANY ($4::uuid[]) AND lease_expires_at IS NOT NULL
                UNION
                SELECT id, lease_expires_at FROM exports
                WHERE processing_since >= coalesce($1::timestamptz, '-infinity')
            )
            SELECT date_bin('5 seconds', statement_timestamp() - $5::interval, '2000-01-01T00:00:00Z') AS "since!",
                   ARRAY (SELECT project_id FROM pending ORDER BY project_id) AS "projects!",
                   ARRAY (SELECT due_from FROM pending ORDER BY project_id) AS "due_from!",
                   ARRAY (SELECT id FROM held) AS "processing!",
                   EXISTS (SELECT FROM held WHERE lease_expires_at <= clock_timestamp()) AS "lease_ended!"
            "#,
            known.since,
            &known.projects,
            &known.due_from,
            &known.processing,
            interval(IN_FLIGHT),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(QueueHints {
            since: Some(row.since),
            projects: row.projects,
            due_from: row.due_from,
            processing: row.processing,
            lease_ended: row.lease_ended,
        })
    }
}
