//! Queue hints: what is remembered of the queue, so that a claim does not scan dead index entries.
//!
//! While a long snapshot is open, PostgreSQL cannot remove the index entry of any export that has left
//! the queue. A scan for "everything pending" reads all of them. The hints name the projects that had
//! pending exports, from which `due_at` on, and the exports that were processing. A claim probes only
//! these, and reads what entered the queue later from the index on `pending_since`, whose entries
//! ascend with time (migration 0005).
//!
//! Refreshing hints costs about as much as a claim. Hints that start from the default read the whole
//! queue with its dead entries. Do this from time to time: only then an export is found whose
//! transaction took longer than [`MAX_COMMIT_DELAY`] to commit.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::interval;

/// An export may become visible this long after its `pending_since`.
const MAX_COMMIT_DELAY: Duration = Duration::from_secs(5);

/// The queue at one moment. The default has no hints: a claim then reads the whole queue.
#[derive(Debug, Clone, Default)]
pub struct QueueHints {
    /// Exports that entered the queue from here on are not in the hints; `None`: no export is.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Projects that had pending exports.
    pub(crate) projects: Vec<String>,
    /// For each of `projects`, the earliest `due_at`.
    pub(crate) due_from: Vec<DateTime<Utc>>,
    /// Exports that were processing, including those with an expired lease.
    pub(crate) processing: Vec<Uuid>,
    has_expired_lease: bool,
}

impl QueueHints {
    /// Whether the lease of some export had expired.
    #[must_use]
    pub fn has_expired_lease(&self) -> bool {
        self.has_expired_lease
    }
}

impl Database {
    /// The hints for the current queue, starting from earlier `hints`.
    pub async fn queue_hints(&self, hints: &QueueHints) -> Result<QueueHints, Error> {
        let row = sqlx::query!(
            r#"
            WITH RECURSIVE arrived AS (
                -- As in the claim statement.
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
                      SELECT hint.project_id, first.due_at
                      FROM unnest($2::text[], $3::timestamptz[]) hint (project_id, due_from)
                      CROSS JOIN LATERAL (
                          SELECT e.due_at FROM exports e
                          WHERE e.status = 'pending' AND e.project_id = hint.project_id
                            AND e.due_at >= hint.due_from
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
            hints.since,
            &hints.projects,
            &hints.due_from,
            &hints.processing,
            interval(MAX_COMMIT_DELAY),
        )
        .fetch_one(&mut self.connection().await?)
        .await?;
        Ok(QueueHints {
            since: Some(row.since),
            projects: row.projects,
            due_from: row.due_from,
            processing: row.processing,
            has_expired_lease: row.lease_ended,
        })
    }
}
