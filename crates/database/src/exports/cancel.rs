//! Cancels exports.

use std::time::Duration;

use exports_domain::{Export, ExportId, ExportStatus, Failure, FailureCode, ProjectId};
use exports_postgres::PooledConnection;

use crate::database::Database;
use crate::error::Error;
use crate::exports::read::find;
use crate::row::known;

/// The channel of notifications about canceled exports. The payload is the export's id.
pub(crate) const CANCELED_CHANNEL: &str = "exports_canceled";

/// The pause before a cancel, or an operator's override, that met a concurrent claim is repeated. The claim is committed by
/// then.
pub(crate) const CONFLICT_PAUSE: Duration = Duration::from_millis(5);

/// The result of a cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canceled {
    /// The export is canceled now.
    Now(Export),
    /// It was canceled before.
    Before(Export),
    /// It has ended otherwise, so nothing was done.
    Ended(ExportStatus),
    /// The project has no such export.
    Missing,
}

impl Database {
    /// Fails an active export on behalf of its consumer, who sees `message`. Safe to repeat.
    ///
    /// From then on the lease of its attempt is lost: each write of the worker is refused. The same statement
    /// marks the object of the attempt for deletion and notifies the worker ([`Self::listen`]).
    pub async fn cancel_export(
        &self,
        project: &ProjectId,
        id: ExportId,
        message: &str,
    ) -> Result<Canceled, Error> {
        let failure = Failure {
            code: FailureCode::Canceled,
            message: message.to_owned(),
        };
        loop {
            let cancel = (project, id, &failure);
            let tried = self.repeatable(&cancel, |connection, (project, id, failure)| {
                Box::pin(cancel_once(connection, project, *id, failure))
            });
            if let Some(canceled) = tried.await? {
                return Ok(canceled);
            }
            // Each repetition needs another change of the export's state, so there are few.
            tokio::time::sleep(CONFLICT_PAUSE).await;
        }
    }

    /// Whether an export was canceled: so its attempt has lost the lease for this reason.
    pub async fn is_canceled(&self, id: ExportId) -> Result<bool, Error> {
        self.repeatable(&id, |connection, id| {
            Box::pin(async move {
                let canceled = sqlx::query_scalar!(
                    r#"SELECT error_code = $2 AS "canceled!" FROM exports WHERE id = $1 AND error_code IS NOT NULL"#,
                    id.0,
                    FailureCode::Canceled.as_str(),
                )
                .fetch_optional(connection)
                .await?;
                Ok(canceled.unwrap_or(false))
            })
        })
        .await
    }
}

/// The export as it was before the statement, and what the statement did.
struct CancelRow {
    status: String,
    canceled_before: bool,
    canceled: bool,
}

/// Cancels the export. `None`: a claim, or the end of an attempt, was committed during the statement, so nothing
/// was done.
///
/// | CTE        | yields |
/// |------------|--------|
/// | `seen`     | the state of the export in the snapshot of the statement |
/// | `target`   | the export, locked: its newest version |
/// | `canceled` | the export, if it is active |
/// | `doomed`   | the object that its attempt is writing |
///
/// `doomed` sees only what is in the snapshot. A claim that is committed between the snapshot and the lock has
/// recorded an object that it would miss. Then `seen` and `target` differ, and nothing is done.
async fn cancel_once(
    connection: &mut PooledConnection,
    project: &ProjectId,
    id: ExportId,
    failure: &Failure,
) -> Result<Option<Canceled>, Error> {
    let row = sqlx::query_as!(
        CancelRow,
        r#"
        WITH seen AS MATERIALIZED (
            SELECT status, lease_token FROM exports WHERE id = $1 AND project_id = $2
        ), target AS MATERIALIZED (
            SELECT id, status, lease_token, error_code,
                   status = 'completed' AND expires_at <= clock_timestamp() AS is_overdue
            FROM exports WHERE id = $1 AND project_id = $2 FOR UPDATE
        ), canceled AS (
            UPDATE exports e
            SET status = 'failed', lease_expires_at = NULL, lease_owner = NULL, error_code = $3, error_message = $4
            FROM target, seen
            WHERE e.id = target.id AND target.status IN ('pending', 'processing')
              AND seen.status = target.status AND seen.lease_token IS NOT DISTINCT FROM target.lease_token
            RETURNING e.id
        ), doomed AS (
            UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
            WHERE state = 'writing' AND export_id IN (SELECT id FROM canceled)
        ), done AS MATERIALIZED (
            SELECT EXISTS (SELECT FROM canceled) AS canceled
        )
        SELECT CASE WHEN is_overdue THEN 'expired' ELSE status END AS "status!",
               error_code IS NOT NULL AND error_code = $3 AS "canceled_before!",
               -- No worker has a pending export. pg_notify() returns nothing, which is '' as text.
               CASE WHEN canceled AND status = 'processing' THEN pg_notify($5, id::text)::text = ''
                    ELSE canceled END AS "canceled!"
        FROM target, done
        "#,
        id.0,
        project.as_str(),
        failure.code.as_str(),
        failure.message,
        CANCELED_CHANNEL,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return Ok(Some(Canceled::Missing));
    };
    let status: ExportStatus = known(id.0, "status", &row.status)?;
    if !row.canceled && !row.canceled_before {
        return Ok(status.is_terminal().then_some(Canceled::Ended(status)));
    }
    let export = find(connection, project, id).await?;
    Ok(Some(match export {
        // It was deleted in between.
        None => Canceled::Missing,
        Some(export) if row.canceled => Canceled::Now(export),
        Some(export) => Canceled::Before(export),
    }))
}
