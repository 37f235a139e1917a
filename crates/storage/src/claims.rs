//! The queue and its leases: a worker takes exports, keeps them alive, ends its attempts.
//!
//! Every write but the claim carries the lease's token and is refused once the lease is over or
//! taken over. What becomes of an attempt's object is decided in the same statement that decides
//! what becomes of the attempt.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{ExportId, Failure, Lease, LeaseToken, MessageFilter, ProjectId};
use sqlx::postgres::types::PgInterval;

use crate::database::Database;
use crate::error::Error;
use crate::row::{FilterRow, corrupt, known};

/// Who claims, and on which terms.
#[derive(Debug, Clone)]
pub struct ClaimRequest<'a> {
    /// The worker's name, for people.
    pub owner: &'a str,
    /// At most so many exports.
    pub limit: u16,
    /// How long each is held without a heartbeat.
    pub lease: Duration,
    /// An ended lease is taken over only below this number of attempts.
    pub max_attempts: u32,
}

/// An export that a worker has taken.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What every later write shows.
    pub lease: Lease,
    /// Whose messages.
    pub project: ProjectId,
    /// Which of them.
    pub filter: MessageFilter,
    /// This attempt's number, from 1.
    pub attempt: u32,
    /// Where this attempt writes its file: never used before, recorded already.
    pub object_key: String,
    /// How long it was due before it was claimed.
    pub waited: Duration,
}

/// The answer to a write that shows a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Fenced {
    /// Done.
    Held,
    /// Nothing was done: the lease is over, and with it the right to write.
    Lost,
}

/// The facts of a finished file.
#[derive(Debug, Clone, Copy)]
pub struct FileFacts {
    /// Data rows.
    pub row_count: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// How long it can be downloaded from now on.
    pub ttl: Duration,
}

/// The answer to a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Completed {
    /// The export is completed with this file, by this statement or by an earlier one of this
    /// lease whose answer was lost.
    Done {
        /// When it expires.
        expires_at: DateTime<Utc>,
    },
    /// The lease was over. Nobody will ever refer to the file.
    Lost,
}

impl Database {
    /// Takes up to `limit` exports that are due, or whose worker's lease ended.
    ///
    /// Fair between projects: each project's exports are taken in the order in which they are due,
    /// and of several projects the one with the fewest running comes first. Each claim gets a
    /// fresh token, adds to `attempt`, dooms the object of the attempt it replaces, and records
    /// its own object's key.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<Claim>, Error> {
        let rows = sqlx::query!(
            r#"
            WITH RECURSIVE waiting AS (
                -- Each project with something pending, one index probe per project.
                (SELECT project_id FROM exports WHERE status = 'pending'
                 ORDER BY project_id LIMIT 1)
                UNION ALL
                SELECT (SELECT e.project_id FROM exports e
                        WHERE e.status = 'pending' AND e.project_id > waiting.project_id
                        ORDER BY e.project_id LIMIT 1)
                FROM waiting WHERE waiting.project_id IS NOT NULL
            ), running AS (
                SELECT project_id, count(*) AS exports FROM exports
                WHERE status = 'processing' AND lease_expires_at > clock_timestamp()
                GROUP BY project_id
            ), due AS (
                SELECT head.id, head.due_at, coalesce(running.exports, 0) + head.place AS turn
                FROM waiting
                CROSS JOIN LATERAL (
                    SELECT first.id, first.due_at, row_number() OVER (ORDER BY first.due_at, first.id) AS place
                    FROM (SELECT e.id, e.due_at FROM exports e
                          WHERE e.status = 'pending' AND e.project_id = waiting.project_id
                            AND e.due_at <= clock_timestamp()
                          -- More than one claimer takes, so that the next ones find some unlocked.
                          ORDER BY e.due_at, e.id LIMIT 16 + $2::int8) first) head
                LEFT JOIN running ON running.project_id = waiting.project_id
                UNION ALL
                SELECT e.id, e.lease_expires_at, 0 FROM exports e
                WHERE e.status = 'processing' AND e.lease_expires_at <= clock_timestamp()
            ), candidate AS MATERIALIZED (
                SELECT e.id, e.due_at FROM due JOIN exports e ON e.id = due.id
                WHERE (e.status = 'pending' AND e.due_at <= clock_timestamp())
                   OR (e.status = 'processing' AND e.lease_expires_at <= clock_timestamp() AND e.attempt < $4)
                ORDER BY due.turn, due.due_at
                LIMIT $2::int8
                FOR UPDATE OF e SKIP LOCKED
            ), claimed AS (
                UPDATE exports e
                SET status = 'processing', attempt = e.attempt + 1,
                    started_at = greatest(e.created_at, clock_timestamp()),
                    lease_token = gen_random_uuid(), lease_owner = $1,
                    lease_expires_at = clock_timestamp() + $3
                FROM candidate
                WHERE e.id = candidate.id
                  AND ((e.status = 'pending' AND e.due_at <= clock_timestamp())
                    OR (e.status = 'processing' AND e.lease_expires_at <= clock_timestamp() AND e.attempt < $4))
                RETURNING e.id, e.project_id, e.direction, e.filter_start_time, e.filter_end_time,
                          e.filter_status, e.filter_endpoint_id, e.attempt, e.lease_token,
                          candidate.due_at,
                          format('%s/%s/%s-%s.csv', e.project_id, e.id, e.attempt, e.lease_token) AS object_key
            ), replaced AS (
                UPDATE export_objects o SET state = 'doomed', sweep_at = clock_timestamp()
                FROM claimed WHERE o.export_id = claimed.id AND o.state = 'writing'
            ), recorded AS (
                INSERT INTO export_objects (key, export_id, state)
                SELECT object_key, id, 'writing' FROM claimed
            )
            SELECT id, project_id, direction, filter_start_time, filter_end_time, filter_status,
                   filter_endpoint_id, attempt, lease_token AS "lease_token!",
                   object_key AS "object_key!",
                   extract(epoch FROM clock_timestamp() - due_at)::float8 AS "waited!"
            FROM claimed
            "#,
            request.owner,
            i64::from(request.limit),
            interval(request.lease),
            attempts(request.max_attempts),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Claim {
                    lease: Lease {
                        export: ExportId(row.id),
                        token: LeaseToken(row.lease_token),
                    },
                    project: known(row.id, "project_id", &row.project_id)?,
                    filter: FilterRow {
                        id: row.id,
                        direction: &row.direction,
                        start_time: row.filter_start_time,
                        end_time: row.filter_end_time,
                        status: row.filter_status.as_deref(),
                        endpoint_id: row.filter_endpoint_id,
                    }
                    .try_into()?,
                    attempt: u32::try_from(row.attempt)
                        .map_err(|_| corrupt(row.id, "attempt", &row.attempt))?,
                    object_key: row.object_key,
                    waited: Duration::try_from_secs_f64(row.waited).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// Holds the export for another `lease` from now on.
    pub async fn heartbeat(&self, lease: Lease, duration: Duration) -> Result<Fenced, Error> {
        let held = sqlx::query!(
            r#"
            UPDATE exports SET lease_expires_at = clock_timestamp() + $3
            WHERE id = $1 AND status = 'processing' AND lease_token = $2
              AND lease_expires_at > clock_timestamp()
            RETURNING id, lease_token AS "token!"
            "#,
            lease.export.0,
            lease.token.0,
            interval(duration),
        )
        .fetch_optional(&self.pool)
        .await?;
        fenced(lease, held.map(|row| (row.id, row.token)))
    }

    /// Records the multipart upload of this attempt, before its first part is sent.
    pub async fn record_upload(
        &self,
        lease: Lease,
        object_key: &str,
        upload_id: &str,
    ) -> Result<Fenced, Error> {
        let held = sqlx::query!(
            r#"
            UPDATE export_objects o SET upload_id = $4
            FROM exports e
            WHERE o.key = $3 AND o.state = 'writing' AND o.export_id = e.id
              AND e.id = $1 AND e.status = 'processing' AND e.lease_token = $2
              AND e.lease_expires_at > clock_timestamp()
            RETURNING e.id, e.lease_token AS "token!"
            "#,
            lease.export.0,
            lease.token.0,
            object_key,
            upload_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        fenced(lease, held.map(|row| (row.id, row.token)))
    }

    /// Ends the attempt with its file. Safe to repeat when the answer was lost.
    pub async fn complete(
        &self,
        lease: Lease,
        object_key: &str,
        file: &FileFacts,
    ) -> Result<Completed, Error> {
        let row = sqlx::query!(
            r#"
            WITH done AS (
                UPDATE exports
                SET status = 'completed', lease_expires_at = NULL, lease_owner = NULL,
                    attempt_error = NULL, object_key = $3, row_count = $4, file_size_bytes = $5,
                    sha256 = $6, completed_at = greatest(started_at, clock_timestamp()),
                    expires_at = greatest(started_at, clock_timestamp()) + $7
                WHERE id = $1 AND status = 'processing' AND lease_token = $2
                  AND lease_expires_at > clock_timestamp()
                RETURNING id, lease_token, expires_at
            ), kept AS (
                UPDATE export_objects SET state = 'kept', upload_id = NULL
                WHERE key = $3 AND EXISTS (SELECT FROM done)
            )
            SELECT id AS "id!", lease_token AS "token!", expires_at AS "expires_at!" FROM done
            UNION ALL
            -- This lease completed it before, and the answer was lost.
            SELECT id, lease_token, expires_at FROM exports
            WHERE id = $1 AND status = 'completed' AND lease_token = $2 AND object_key = $3
            "#,
            lease.export.0,
            lease.token.0,
            object_key,
            i64::try_from(file.row_count).unwrap_or(i64::MAX),
            i64::try_from(file.size_bytes).unwrap_or(i64::MAX),
            file.sha256.as_slice(),
            interval(file.ttl),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else {
            return Ok(Completed::Lost);
        };
        match fenced(lease, Some((row.id, row.token)))? {
            Fenced::Held => Ok(Completed::Done {
                expires_at: row.expires_at,
            }),
            Fenced::Lost => Ok(Completed::Lost),
        }
    }

    /// Ends the attempt and the export: there will be no file. `reason` is for operators.
    pub async fn fail(
        &self,
        lease: Lease,
        failure: &Failure,
        reason: &str,
    ) -> Result<Fenced, Error> {
        let held = sqlx::query!(
            r#"
            WITH ended AS (
                UPDATE exports
                SET status = 'failed', lease_expires_at = NULL, lease_owner = NULL,
                    error_code = $3, error_message = $4, attempt_error = $5
                WHERE id = $1 AND status = 'processing' AND lease_token = $2
                  AND lease_expires_at > clock_timestamp()
                RETURNING id, lease_token
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM ended)
            )
            SELECT id, lease_token AS "token!" FROM ended
            "#,
            lease.export.0,
            lease.token.0,
            failure.code.as_str(),
            failure.message,
            reason,
        )
        .fetch_optional(&self.pool)
        .await?;
        fenced(lease, held.map(|row| (row.id, row.token)))
    }

    /// Ends the attempt; the export is due again after `pause`. `reason` is for operators.
    pub async fn retry(
        &self,
        lease: Lease,
        pause: Duration,
        reason: &str,
    ) -> Result<Fenced, Error> {
        self.requeue(lease, Some(pause), Some(reason)).await
    }

    /// Gives the export back at shutdown: due at once, in its old place, the attempt not counted.
    pub async fn release(&self, lease: Lease) -> Result<Fenced, Error> {
        self.requeue(lease, None, None).await
    }

    async fn requeue(
        &self,
        lease: Lease,
        pause: Option<Duration>,
        reason: Option<&str>,
    ) -> Result<Fenced, Error> {
        let held = sqlx::query!(
            r#"
            WITH held AS (
                SELECT id, lease_token FROM exports
                WHERE id = $1 AND status = 'processing' AND lease_token = $2
                  AND lease_expires_at > clock_timestamp()
                FOR UPDATE
            ), ended AS (
                UPDATE exports e
                SET status = 'pending', lease_expires_at = NULL, lease_owner = NULL,
                    lease_token = gen_random_uuid(), started_at = NULL,
                    attempt = CASE WHEN $3::interval IS NULL THEN e.attempt - 1 ELSE e.attempt END,
                    due_at = coalesce(clock_timestamp() + $3, e.due_at),
                    attempt_error = coalesce($4, e.attempt_error)
                FROM held WHERE e.id = held.id
                RETURNING e.id, held.lease_token
            ), doomed AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE state = 'writing' AND export_id IN (SELECT id FROM ended)
            )
            SELECT id, lease_token AS "token!",
                   CASE WHEN $3::interval IS NULL THEN pg_notify('exports_pending', '')::text END AS notified
            FROM ended
            "#,
            lease.export.0,
            lease.token.0,
            pause.map(interval),
            reason,
        )
        .fetch_optional(&self.pool)
        .await?;
        fenced(lease, held.map(|row| (row.id, row.token)))
    }
}

/// A row back is the lease's own, or the connection is out of step and nothing it says counts.
fn fenced(lease: Lease, row: Option<(uuid::Uuid, uuid::Uuid)>) -> Result<Fenced, Error> {
    match row {
        None => Ok(Fenced::Lost),
        Some((id, token)) if id == lease.export.0 && token == lease.token.0 => Ok(Fenced::Held),
        Some(_) => Err(Error::Desynchronised),
    }
}

/// Microseconds, which hold every duration that the settings allow.
pub(crate) fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
    }
}

pub(crate) fn attempts(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
