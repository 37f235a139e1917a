//! The queue: a worker takes exports that are due, or that another worker has lost.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{ExportId, Lease, LeaseToken, MessageFilter, ProjectId};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::{FilterRow, attempts, corrupt, interval, known};

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
    /// Another worker held it until its lease ended.
    pub taken_over: bool,
}

struct ClaimRow {
    id: Uuid,
    project_id: String,
    direction: String,
    filter_start_time: DateTime<Utc>,
    filter_end_time: DateTime<Utc>,
    filter_status: Option<String>,
    filter_endpoint_id: Option<Uuid>,
    attempt: i32,
    lease_token: Uuid,
    object_key: String,
    waited: f64,
    taken_over: bool,
}

impl TryFrom<ClaimRow> for Claim {
    type Error = Error;

    fn try_from(row: ClaimRow) -> Result<Self, Error> {
        Ok(Self {
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
            taken_over: row.taken_over,
        })
    }
}

impl Database {
    /// Takes up to `limit` exports that are due, or whose worker's lease ended.
    ///
    /// Fair between projects: each project's exports are taken in the order in which they are due,
    /// and of several projects the one with the fewest running comes first. Each claim gets a
    /// fresh token, adds to `attempt`, dooms the object of the attempt it replaces, and records
    /// its own object's key.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<Claim>, Error> {
        let rows = sqlx::query_as!(
            ClaimRow,
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
                            -- Asked for once, it is a bound of the index: what is due later is not read.
                            AND e.due_at <= (SELECT clock_timestamp())
                          -- More than one claimer takes, so that the next ones find some unlocked.
                          ORDER BY e.due_at, e.id LIMIT 16 + $2::int8) first) head
                LEFT JOIN running ON running.project_id = waiting.project_id
                WHERE waiting.project_id IS NOT NULL
                UNION ALL
                SELECT e.id, e.lease_expires_at, 0 FROM exports e
                WHERE e.status = 'processing' AND e.lease_expires_at <= clock_timestamp()
            ), candidate AS MATERIALIZED (
                -- LATERAL: in the order of turns, row by row, whatever the planner thinks of the numbers.
                SELECT free.id, free.status
                FROM (SELECT id FROM due ORDER BY turn, due_at) next
                CROSS JOIN LATERAL (
                    SELECT e.id, e.status FROM exports e
                    WHERE e.id = next.id
                      AND ((e.status = 'pending' AND e.due_at <= clock_timestamp())
                        OR (e.status = 'processing' AND e.lease_expires_at <= clock_timestamp() AND e.attempt < $4))
                    FOR UPDATE SKIP LOCKED) free
                LIMIT $2::int8
            ), claimed AS (
                UPDATE exports e
                SET status = 'processing', attempt = e.attempt + 1,
                    started_at = greatest(e.created_at, clock_timestamp()),
                    lease_token = gen_random_uuid(), lease_owner = $1,
                    lease_expires_at = clock_timestamp() + $3,
                    progress_rows = NULL, progress_bytes = NULL
                WHERE e.id = ANY (ARRAY (SELECT id FROM candidate))
                  AND ((e.status = 'pending' AND e.due_at <= clock_timestamp())
                    OR (e.status = 'processing' AND e.lease_expires_at <= clock_timestamp() AND e.attempt < $4))
                RETURNING e.id, e.project_id, e.direction, e.filter_start_time, e.filter_end_time,
                          e.filter_status, e.filter_endpoint_id, e.attempt, e.lease_token, e.due_at,
                          format('%s/%s/%s-%s.csv', e.project_id, e.id, e.attempt, e.lease_token) AS object_key
            ), replaced AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE export_id = ANY (ARRAY (SELECT id FROM claimed)) AND state = 'writing'
            ), recorded AS (
                INSERT INTO export_objects (key, export_id, state)
                SELECT object_key, id, 'writing' FROM claimed
            )
            SELECT id, project_id, direction, filter_start_time, filter_end_time, filter_status,
                   filter_endpoint_id, attempt, lease_token AS "lease_token!",
                   object_key AS "object_key!",
                   extract(epoch FROM clock_timestamp() - due_at)::float8 AS "waited!",
                   -- The candidate was locked as it was: nothing has changed it before this statement did.
                   (SELECT candidate.status = 'processing' FROM candidate
                    WHERE candidate.id = claimed.id) AS "taken_over!"
            FROM claimed
            "#,
            request.owner,
            i64::from(request.limit),
            interval(request.lease),
            attempts(request.max_attempts),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Claim::try_from).collect()
    }
}
