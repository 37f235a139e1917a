//! Operators' overrides: requeue or fail one export, whatever holds it.
//!
//! The statement also replaces the lease token, so the worker that holds the export stops at its next
//! heartbeat and cannot write any more. The object of its attempt is marked for deletion.

use exports_domain::{ExportId, ExportStatus, Failure};

use crate::database::Database;
use crate::error::Error;
use crate::row::known;

/// The result of an override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overridden {
    /// The override is done.
    Done {
        /// The worker that held the export before.
        holder: Option<String>,
    },
    /// The export has ended already, so nothing was done.
    Ended(ExportStatus),
    /// The export does not exist.
    Missing,
}

impl Database {
    /// Queues an active export again: due now, attempt counter reset, any lease revoked.
    pub async fn force_requeue(&self, id: ExportId) -> Result<Overridden, Error> {
        let row = sqlx::query!(
            r#"
            WITH target AS (
                SELECT id, status, lease_owner FROM exports WHERE id = $1 FOR UPDATE
            ), requeued AS (
                UPDATE exports e
                SET status = 'pending', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), started_at = NULL, attempt = 0, takeovers = 0,
                    due_at = clock_timestamp(),
                    attempt_error = coalesce('an operator took it from ' || target.lease_owner, e.attempt_error)
                FROM target WHERE e.id = target.id AND e.status IN ('pending', 'processing')
                RETURNING e.id, e.project_id
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM requeued)
            )
            SELECT status, lease_owner AS holder, EXISTS (SELECT FROM requeued) AS "done!",
                   CASE WHEN EXISTS (SELECT FROM requeued) THEN pg_notify('exports_pending', '')::text END AS notified,
                   (SELECT pg_notify('exports_changed', project_id || ' ' || id)::text FROM requeued) AS announced
            FROM target
            "#,
            id.0,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        overridden(id, row.map(|row| (row.done, row.status, row.holder)))
    }

    /// Fails an active export. Its consumer sees `failure`.
    pub async fn force_fail(&self, id: ExportId, failure: &Failure) -> Result<Overridden, Error> {
        let row = sqlx::query!(
            r#"
            WITH target AS (
                SELECT id, status, lease_owner FROM exports WHERE id = $1 FOR UPDATE
            ), failed AS (
                UPDATE exports e
                SET status = 'failed', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), error_code = $2, error_message = $3,
                    attempt_error = coalesce('an operator took it from ' || target.lease_owner, e.attempt_error)
                FROM target WHERE e.id = target.id AND e.status IN ('pending', 'processing')
                RETURNING e.id, e.project_id
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM failed)
            )
            SELECT status, lease_owner AS holder, EXISTS (SELECT FROM failed) AS "done!",
                   (SELECT pg_notify('exports_changed', project_id || ' ' || id)::text FROM failed) AS announced
            FROM target
            "#,
            id.0,
            failure.code.as_str(),
            failure.message,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        overridden(id, row.map(|row| (row.done, row.status, row.holder)))
    }
}

/// `row` is done, and the status and the holder before the override.
fn overridden(
    id: ExportId,
    row: Option<(bool, String, Option<String>)>,
) -> Result<Overridden, Error> {
    Ok(match row {
        None => Overridden::Missing,
        Some((true, _, holder)) => Overridden::Done { holder },
        Some((false, status, _)) => Overridden::Ended(known(id.0, "status", &status)?),
    })
}
