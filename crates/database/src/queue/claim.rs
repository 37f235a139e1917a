//! The queue: a worker takes exports that are due, or that another worker has lost.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{ExportId, Lease, LeaseToken, MessageFilter, ProjectId};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::queue::hints::QueueHints;
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
    /// What the claimer remembers of the queue.
    pub known: Arc<QueueHints>,
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
    ///
    /// The status stands inside CASE wherever rows are picked by their ids: outside, it would have
    /// the planner take the small index of a state, with all its dead entries, for the primary key.
    #[expect(clippy::too_many_lines, reason = "it is one statement")]
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<Claim>, Error> {
        let rows = sqlx::query_as!(
            ClaimRow,
            r#"
            WITH RECURSIVE arrived AS (
                -- What became pending since the survey: of each project and five seconds the first.
                (SELECT e.pending_since, e.project_id, e.due_at FROM exports e
                 WHERE e.pending_since >= coalesce($5::timestamptz, '-infinity')
                 ORDER BY e.pending_since, e.project_id, e.due_at LIMIT 1)
                UNION ALL
                SELECT later.* FROM arrived CROSS JOIN LATERAL (
                    SELECT e.pending_since, e.project_id, e.due_at FROM exports e
                    WHERE (e.pending_since, e.project_id) > (arrived.pending_since, arrived.project_id)
                      -- Follows from the line above, but the planner knows of no index for that.
                      AND e.pending_since >= arrived.pending_since
                    ORDER BY e.pending_since, e.project_id, e.due_at LIMIT 1) later
            ), waiting AS (
                -- Each project's first: of those that the survey knew, and of those that arrived.
                SELECT head.* FROM unnest($6::text[], $7::timestamptz[]) known (project_id, due_from)
                CROSS JOIN LATERAL (
                    SELECT e.id, e.project_id, e.due_at FROM exports e
                    WHERE e.status = 'pending' AND e.project_id = known.project_id AND e.due_at >= known.due_from
                      -- Asked for once, it is a bound of the index: what is due later is not read.
                      AND e.due_at <= (SELECT clock_timestamp())
                    -- From all projects together 16 more than one claimer takes, so that the next
                    -- ones find some unlocked.
                    ORDER BY e.due_at, e.id LIMIT $2::int8 + 1 + 16 / greatest(cardinality($6), 1)) head
                UNION
                SELECT head.* FROM arrived CROSS JOIN LATERAL (
                    SELECT e.id, e.project_id, e.due_at FROM exports e
                    WHERE e.pending_since = arrived.pending_since AND e.project_id = arrived.project_id
                      AND e.due_at >= arrived.due_at AND e.due_at <= (SELECT clock_timestamp())
                    ORDER BY e.due_at, e.id LIMIT $2::int8 + 1 + 16 / (SELECT count(*) FROM arrived)) head
            ), held AS MATERIALIZED (
                SELECT id, project_id, lease_expires_at FROM exports
                WHERE id = ANY ($8::uuid[]) AND lease_expires_at IS NOT NULL
                UNION
                SELECT id, project_id, lease_expires_at FROM exports
                WHERE processing_since >= coalesce($5::timestamptz, '-infinity')
            ), running AS (
                SELECT project_id, count(*) AS exports FROM held
                WHERE lease_expires_at > clock_timestamp()
                GROUP BY project_id
            ), due AS (
                SELECT waiting.id, waiting.due_at,
                       coalesce(running.exports, 0)
                       + row_number() OVER (PARTITION BY waiting.project_id ORDER BY waiting.due_at, waiting.id) AS turn
                FROM waiting LEFT JOIN running ON running.project_id = waiting.project_id
                UNION ALL
                SELECT id, lease_expires_at, 0 FROM held WHERE lease_expires_at <= clock_timestamp()
            ), candidate AS MATERIALIZED (
                -- LATERAL: in the order of turns, row by row, whatever the planner thinks of the numbers.
                SELECT free.id, free.status
                FROM (SELECT id FROM due ORDER BY turn, due_at) next
                CROSS JOIN LATERAL (
                    SELECT e.id, e.status FROM exports e
                    WHERE e.id = next.id
                      AND CASE e.status WHEN 'pending' THEN e.due_at <= clock_timestamp()
                          WHEN 'processing' THEN e.lease_expires_at <= clock_timestamp() AND e.attempt < $4 END
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
                  AND CASE e.status WHEN 'pending' THEN e.due_at <= clock_timestamp()
                      WHEN 'processing' THEN e.lease_expires_at <= clock_timestamp() AND e.attempt < $4 END
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
            request.known.since,
            &request.known.projects,
            &request.known.due_from,
            &request.known.processing,
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        rows.into_iter().map(Claim::try_from).collect()
    }
}
