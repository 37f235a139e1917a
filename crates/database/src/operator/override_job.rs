//! Operators' overrides: requeue or fail one export, whatever holds it.
//!
//! The statement also replaces the lease token, so the worker that holds the export stops at its next
//! heartbeat and cannot write any more. The object of its attempt is marked for deletion.
//!
//! As in a cancel, the CTE `seen` has the state of the export in the snapshot of the statement, and `target` its newest
//! version, locked. If a claim was committed in between, `doomed` would miss the object of its attempt. Then both differ,
//! nothing is done, and the statement is repeated.

use exports_domain::{ExportId, ExportStatus, Failure};

use crate::database::Database;
use crate::error::Error;
use crate::exports::CONFLICT_PAUSE;
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
        loop {
            if let Some(overridden) = self.requeue_once(id).await? {
                return Ok(overridden);
            }
            tokio::time::sleep(CONFLICT_PAUSE).await;
        }
    }

    /// Fails an active export. Its consumer sees `failure`.
    pub async fn force_fail(&self, id: ExportId, failure: &Failure) -> Result<Overridden, Error> {
        loop {
            if let Some(overridden) = self.fail_once(id, failure).await? {
                return Ok(overridden);
            }
            tokio::time::sleep(CONFLICT_PAUSE).await;
        }
    }

    async fn requeue_once(&self, id: ExportId) -> Result<Option<Overridden>, Error> {
        let row = sqlx::query!(
            r#"
            WITH seen AS MATERIALIZED (
                SELECT status, lease_token FROM exports WHERE id = $1
            ), target AS MATERIALIZED (
                SELECT id, status, lease_token, lease_owner FROM exports WHERE id = $1 FOR UPDATE
            ), requeued AS (
                UPDATE exports e
                SET status = 'pending', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), started_at = NULL, attempt = 0, takeovers = 0,
                    due_at = clock_timestamp(),
                    attempt_error = coalesce('an operator took it from ' || target.lease_owner, e.attempt_error)
                FROM target, seen
                WHERE e.id = target.id AND target.status IN ('pending', 'processing')
                  AND seen.status = target.status AND seen.lease_token IS NOT DISTINCT FROM target.lease_token
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

    async fn fail_once(
        &self,
        id: ExportId,
        failure: &Failure,
    ) -> Result<Option<Overridden>, Error> {
        let row = sqlx::query!(
            r#"
            WITH seen AS MATERIALIZED (
                SELECT status, lease_token FROM exports WHERE id = $1
            ), target AS MATERIALIZED (
                SELECT id, status, lease_token, lease_owner FROM exports WHERE id = $1 FOR UPDATE
            ), failed AS (
                UPDATE exports e
                SET status = 'failed', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), error_code = $2, error_message = $3,
                    attempt_error = coalesce('an operator took it from ' || target.lease_owner, e.attempt_error)
                FROM target, seen
                WHERE e.id = target.id AND target.status IN ('pending', 'processing')
                  AND seen.status = target.status AND seen.lease_token IS NOT DISTINCT FROM target.lease_token
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

/// `row` is done, and the status and the holder before the override. `None`: the state of the export changed during the
/// statement, so nothing was done.
fn overridden(
    id: ExportId,
    row: Option<(bool, String, Option<String>)>,
) -> Result<Option<Overridden>, Error> {
    Ok(match row {
        None => Some(Overridden::Missing),
        Some((true, _, holder)) => Some(Overridden::Done { holder }),
        Some((false, status, _)) => {
            let status: ExportStatus = known(id.0, "status", &status)?;
            status.is_terminal().then_some(Overridden::Ended(status))
        }
    })
}
