//! What an operator does to one export by hand, whoever holds it.
//!
//! The holder's token is changed in the same statement, so that its next heartbeat tells it to
//! stop and nothing that it writes counts; its object is doomed like that of any lost attempt.

use exports_domain::{ExportId, ExportStatus, Failure};

use crate::database::Database;
use crate::error::Error;
use crate::row::known;

/// What became of an operator's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overridden {
    /// It was done.
    Done {
        /// The worker that held the export until then.
        holder: Option<String>,
    },
    /// The export has ended: nothing was done.
    Ended(ExportStatus),
    /// There is no such export.
    Missing,
}

impl Database {
    /// Has an export tried again at once, with all its attempts: a pending one no longer waits,
    /// and a processing one is taken from its worker.
    pub async fn requeue_by_hand(&self, id: ExportId) -> Result<Overridden, Error> {
        let row = sqlx::query!(
            r#"
            WITH target AS (
                SELECT id, status, lease_owner FROM exports WHERE id = $1 FOR UPDATE
            ), requeued AS (
                UPDATE exports e
                SET status = 'pending', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), started_at = NULL, attempt = 0,
                    due_at = clock_timestamp(),
                    attempt_error = coalesce('an operator took it from ' || target.lease_owner, e.attempt_error)
                FROM target WHERE e.id = target.id AND e.status IN ('pending', 'processing')
                RETURNING e.id
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM requeued)
            )
            SELECT status, lease_owner AS holder, EXISTS (SELECT FROM requeued) AS "done!",
                   CASE WHEN EXISTS (SELECT FROM requeued) THEN pg_notify('exports_pending', '')::text END AS notified
            FROM target
            "#,
            id.0,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        row.map_or(Ok(Overridden::Missing), |row| {
            intervened(id, row.done, &row.status, row.holder)
        })
    }

    /// Ends an export that has not ended: `failure` is what its consumer reads.
    pub async fn fail_by_hand(&self, id: ExportId, failure: &Failure) -> Result<Overridden, Error> {
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
                RETURNING e.id
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM failed)
            )
            SELECT status, lease_owner AS holder, EXISTS (SELECT FROM failed) AS "done!" FROM target
            "#,
            id.0,
            failure.code.as_str(),
            failure.message,
        )
        .fetch_optional(&mut self.connection().await?)
        .await?;
        row.map_or(Ok(Overridden::Missing), |row| {
            intervened(id, row.done, &row.status, row.holder)
        })
    }
}

/// `status` and `holder` are those from before.
fn intervened(
    id: ExportId,
    done: bool,
    status: &str,
    holder: Option<String>,
) -> Result<Overridden, Error> {
    Ok(if done {
        Overridden::Done { holder }
    } else {
        Overridden::Ended(known(id.0, "status", status)?)
    })
}
