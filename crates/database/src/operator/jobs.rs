//! The queue as operators see it: owners, leases, progress and errors.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{ExportId, ExportStatus, FileOptions, ProjectId};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::file_options;
use crate::row::{corrupt, known};

/// Which exports to show.
#[derive(Debug, Clone, Copy)]
pub struct JobsRequest<'a> {
    /// Only these states.
    pub statuses: &'a [ExportStatus],
    /// Only this project.
    pub project: Option<&'a ProjectId>,
    /// Only this export, whatever its state and project are.
    pub export: Option<ExportId>,
    /// Maximum number of exports.
    pub limit: u16,
}

/// An export as operators see it. Durations are by the database's clock.
#[derive(Debug, Clone)]
pub struct Job {
    /// The export.
    pub id: ExportId,
    /// Its project.
    pub project: String,
    /// Its state.
    pub status: ExportStatus,
    /// Number of the latest attempt; 0 before the first one.
    pub attempt: u32,
    /// Time since it was created.
    pub age: Duration,
    /// Pending: time until it is due. Otherwise zero.
    pub due_in: Duration,
    /// Processing: name of the worker that holds it.
    pub owner: Option<String>,
    /// Time since the start of the latest attempt, unless it is pending.
    pub started_ago: Option<Duration>,
    /// Processing: time until the lease expires. Zero: expired, any worker may take it over.
    pub lease_left: Option<Duration>,
    /// Rows: of the file, or of the attempt as of its latest report.
    pub rows: Option<u64>,
    /// Bytes, likewise.
    pub bytes: Option<u64>,
    /// Processing: the part that is done, in percent, if it can be estimated.
    pub percent: Option<u8>,
    /// Processing: the estimated time until it is completed.
    pub remaining: Option<Duration>,
    /// Completed and expired: when the snapshot of the file was taken.
    pub snapshot_at: Option<DateTime<Utc>>,
    /// Failed: the code and the message that its consumer sees. An operator's own reason is such a message.
    pub failure: Option<(String, String)>,
    /// Why the latest attempt ended early.
    pub attempt_error: Option<String>,
    /// What its consumer calls it.
    pub label: Option<String>,
    /// What its file is like.
    pub options: FileOptions,
    /// The export whose request it repeats.
    pub retry_of: Option<ExportId>,
}

struct JobRow {
    id: Uuid,
    project_id: String,
    status: String,
    attempt: i32,
    age: f64,
    due_in: f64,
    lease_owner: Option<String>,
    started_ago: Option<f64>,
    lease_left: Option<f64>,
    rows: Option<i64>,
    bytes: Option<i64>,
    percent: Option<i16>,
    seconds_remaining: Option<i32>,
    snapshot_at: Option<DateTime<Utc>>,
    error_code: Option<String>,
    error_message: Option<String>,
    attempt_error: Option<String>,
    label: Option<String>,
    retry_of: Option<Uuid>,
    direction: String,
    file_options: Option<String>,
}

impl TryFrom<JobRow> for Job {
    type Error = Error;

    fn try_from(row: JobRow) -> Result<Self, Error> {
        // A time in the past counts as zero.
        let span = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Ok(Self {
            id: ExportId(row.id),
            status: known(row.id, "status", &row.status)?,
            project: row.project_id,
            attempt: u32::try_from(row.attempt)
                .map_err(|_| corrupt(row.id, "attempt", &row.attempt))?,
            age: span(row.age),
            due_in: span(row.due_in),
            owner: row.lease_owner,
            started_ago: row.started_ago.map(span),
            lease_left: row.lease_left.map(span),
            rows: row.rows.and_then(|count| u64::try_from(count).ok()),
            bytes: row.bytes.and_then(|count| u64::try_from(count).ok()),
            percent: row.percent.and_then(|percent| u8::try_from(percent).ok()),
            remaining: row.seconds_remaining.map(|seconds| span(seconds.into())),
            snapshot_at: row.snapshot_at,
            failure: row
                .error_code
                .map(|code| (code, row.error_message.unwrap_or_default())),
            attempt_error: row.attempt_error,
            label: row.label,
            options: file_options::parse(
                row.id,
                row.file_options.as_deref(),
                known(row.id, "direction", &row.direction)?,
            )?,
            retry_of: row.retry_of.map(ExportId),
        })
    }
}

impl Database {
    /// Lists processing exports, longest running first; then pending ones in the order of `due_at`;
    /// then ended ones, newest first.
    pub async fn jobs(&self, request: JobsRequest<'_>) -> Result<Vec<Job>, Error> {
        let statuses: Vec<_> = request
            .statuses
            .iter()
            .map(|status| status.as_str())
            .collect();
        let rows = sqlx::query_as!(
            JobRow,
            r#"
            WITH chosen AS (
                -- One branch per index. A branch whose status is not requested is not executed.
                (SELECT id, 1 AS turn, extract(epoch FROM started_at) AS place FROM exports
                 WHERE status = 'processing' AND 'processing' = ANY ($1::text[])
                   AND ($2::text IS NULL OR project_id = $2)
                 ORDER BY started_at LIMIT $3)
                UNION ALL
                (SELECT id, 2, extract(epoch FROM due_at) FROM exports
                 WHERE status = 'pending' AND 'pending' = ANY ($1)
                   AND ($2::text IS NULL OR project_id = $2)
                 ORDER BY due_at LIMIT $3)
                UNION ALL
                (SELECT id, 3, - extract(epoch FROM created_at) FROM exports
                 WHERE status = ANY ($1) AND status IN ('completed', 'failed', 'expired')
                   AND ('completed' = ANY ($1) OR 'failed' = ANY ($1) OR 'expired' = ANY ($1))
                   AND ($2::text IS NULL OR project_id = $2)
                 ORDER BY created_at DESC LIMIT $3)
                UNION ALL
                (SELECT id, 4, 0 FROM exports WHERE id = $4)
            )
            SELECT e.id, e.project_id, e.status, e.attempt, e.lease_owner,
                   extract(epoch FROM now.at - e.created_at)::float8 AS "age!",
                   CASE WHEN e.status = 'pending' THEN extract(epoch FROM e.due_at - now.at) ELSE 0 END::float8 AS "due_in!",
                   extract(epoch FROM now.at - e.started_at)::float8 AS started_ago,
                   extract(epoch FROM e.lease_expires_at - now.at)::float8 AS lease_left,
                   coalesce(e.row_count, p.rows_written, e.progress_rows) AS rows,
                   coalesce(e.file_size_bytes, p.bytes_written, e.progress_bytes) AS bytes,
                   p.percent AS "percent?", p.seconds_remaining AS "seconds_remaining?", e.snapshot_at,
                   e.error_code, e.error_message, e.attempt_error, e.label, e.retry_of,
                   e.direction, e.file_options::text AS file_options
            FROM chosen JOIN exports e ON e.id = chosen.id
            LEFT JOIN export_progress p
                   ON p.export_id = e.id AND p.lease_token = e.lease_token AND e.status = 'processing'
            CROSS JOIN (SELECT clock_timestamp() AS at) now
            ORDER BY chosen.turn, chosen.place, e.id
            LIMIT $3
            "#,
            &statuses as &[&str],
            request.project.map(ProjectId::as_str),
            i64::from(request.limit),
            request.export.map(|export| export.0),
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        rows.into_iter().map(Job::try_from).collect()
    }
}
