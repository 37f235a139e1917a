//! The claim: a worker takes exports that are due, or whose lease has expired.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{
    ExportId, FileOptions, Lease, LeaseToken, MessageFilter, ProjectId, RetryPolicy, TraceParent,
};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::file_options;
use crate::queue::hints::QueueHints;
use crate::row::{FilterRow, attempts, corrupt, interval, known};

/// Parameters of a claim.
#[derive(Debug, Clone)]
pub struct ClaimRequest<'a> {
    /// Name of the worker, for operators.
    pub owner: &'a str,
    /// Maximum number of exports.
    pub limit: u16,
    /// Duration of the lease.
    pub lease: Duration,
    /// An expired lease is taken over only if the export had fewer attempts.
    pub max_attempts: u32,
    /// Hints about the queue; old hints only make the claim slower.
    pub hints: Arc<QueueHints>,
    /// Whether one of the `limit` slots is the last free slot of the worker, which is reserved.
    pub last_slot_reserved: bool,
    /// The projects that may borrow the reserved slot, because their exports end quickly.
    pub borrowers: Vec<String>,
}

/// A claimed export.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The lease that every later write carries.
    pub lease: Lease,
    /// The project whose messages are exported.
    pub project: ProjectId,
    /// Which messages.
    pub filter: MessageFilter,
    /// What its file is like.
    pub options: FileOptions,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Key of the object that this attempt writes. It is unique and already recorded.
    pub object_key: String,
    /// Time from `due_at` to the claim.
    pub waited: Duration,
    /// Whether the export was taken over after its lease expired.
    pub taken_over: bool,
    /// Whether the export borrows the reserved slot: its project has other running exports.
    pub borrows_slot: bool,
    /// The position in its trace of the request that created the export.
    pub traceparent: Option<TraceParent>,
}

pub(super) struct ClaimRow {
    pub(super) id: Uuid,
    pub(super) project_id: String,
    pub(super) direction: String,
    pub(super) filter_start_time: DateTime<Utc>,
    pub(super) filter_end_time: DateTime<Utc>,
    pub(super) filter_status: Option<String>,
    pub(super) filter_statuses: Option<Vec<String>>,
    pub(super) filter_endpoint_id: Option<Uuid>,
    pub(super) filter_endpoint_ids: Option<Vec<Uuid>>,
    pub(super) attempt: i32,
    pub(super) lease_token: Uuid,
    pub(super) object_key: String,
    pub(super) waited: f64,
    pub(super) taken_over: bool,
    pub(super) borrows_slot: bool,
    pub(super) traceparent: Option<String>,
    pub(super) file_options: Option<String>,
}

impl TryFrom<ClaimRow> for Claim {
    type Error = Error;

    fn try_from(row: ClaimRow) -> Result<Self, Error> {
        let filter: MessageFilter = FilterRow {
            id: row.id,
            direction: &row.direction,
            start_time: row.filter_start_time,
            end_time: row.filter_end_time,
            status: row.filter_status.as_deref(),
            statuses: row.filter_statuses.as_deref(),
            endpoint_id: row.filter_endpoint_id,
            endpoint_ids: row.filter_endpoint_ids.as_deref(),
        }
        .try_into()?;
        Ok(Self {
            lease: Lease {
                export: ExportId(row.id),
                token: LeaseToken(row.lease_token),
            },
            project: known(row.id, "project_id", &row.project_id)?,
            options: file_options::parse(row.id, row.file_options.as_deref(), filter.direction)?,
            filter,
            attempt: u32::try_from(row.attempt)
                .map_err(|_| corrupt(row.id, "attempt", &row.attempt))?,
            object_key: row.object_key,
            waited: Duration::try_from_secs_f64(row.waited).unwrap_or_default(),
            taken_over: row.taken_over,
            borrows_slot: row.borrows_slot,
            traceparent: row.traceparent.as_deref().and_then(TraceParent::parse),
        })
    }
}

impl Database {
    /// Claims up to `limit` exports that are due, or whose lease has expired. An export that was taken over
    /// twice waits after the expiry as long as a retry would ([`RetryPolicy::pauses`]).
    ///
    /// It stays one statement: one round trip, and one transaction in which an export is selected, locked
    /// and leased, and its object recorded. An example, with `limit` 3 at 12:00:00 and the last slot
    /// reserved. The hints were taken at 11:59:30; they have `since` 11:59:25, project A with `due_from`
    /// 11:58, and the processing exports A4, B2 and B3.
    ///
    /// | export | status     | due      | started  | lease expires   | known from |
    /// |--------|------------|----------|----------|-----------------|------------|
    /// | A1     | pending    | 11:58    |          |                 | hints      |
    /// | A2     | pending    | 11:59    |          |                 | hints      |
    /// | A3     | pending    | 12:05    |          |                 | hints      |
    /// | A4     | processing |          | 11:57    | 12:00:20        | hints      |
    /// | B1     | pending    | 11:59:50 |          |                 | arrival    |
    /// | B2     | processing |          | 11:50    | 11:59:40        | hints      |
    /// | B3     | processing |          | 11:59    | 11:59:55        | hints      |
    ///
    /// B3 was taken over twice, and its third attempt is lost too: the pause after it is 16 s.
    ///
    /// | CTE         | yields |
    /// |-------------|--------|
    /// | `arrived`   | the arrivals since the hints: (11:59:50, B). One index probe per project and 5 s, not one per export |
    /// | `pending`   | the first due exports of each project: A1, A2 by the hints, B1 by the arrivals. Not A3, which is not due |
    /// | `held`      | what is processing, by the hints and since, and from when on a takeover is possible: A4 12:00:20, B2 11:59:40, B3 12:00:11 |
    /// | `running`   | processing exports with a valid lease, per project: A 1, which has been running for more than 10 s |
    /// | `ranked`    | each export with its turn, which is the number that its project would then have running: A1 2, A2 3, B1 1; a possible takeover has turn 0: B2. Not B3, whose pause lasts |
    /// | `candidate` | for the slots that are not reserved: in the order B2, B1, A1, A2 the first two that no other worker has locked: B2, B1 |
    /// | `reserved`  | for the reserved slot: nothing. A has A4 running, and B has B2 in this claim |
    /// | `claimed`   | B2 and B1 are `processing`, with a new token, lease and object key; `attempt` + 1 |
    /// | `replaced`  | the object that the lost attempt of B2 was writing is marked for deletion |
    /// | `recorded`  | the new object keys of B2 and B1 |
    ///
    /// The next claim without a reserved slot takes A1: A then has two running exports, and B has two as
    /// well, but nothing pending.
    ///
    /// **The reserved slot** keeps one project's long exports from delaying the first export of another.
    /// It takes the first export of a project that has none running. Any other export may only borrow it,
    /// and only if its project is one of the `borrowers` and has no export that has been running for more
    /// than 10 s. A takeover is like any other export here, but never borrows. Every other slot is filled
    /// in the order of turns, so no export waits for ever.
    ///
    /// Two workers that claim at the same moment may each take an export of the same project as its first.
    ///
    /// Where rows are selected by id, the status is inside CASE. A plain condition on it would make the
    /// planner use the small partial index of the status, with all its dead entries, instead of the
    /// primary key.
    ///
    /// A claim whose answer does not come may have been executed. Then its exports are returned by a second
    /// statement, over a new connection, instead of waiting until their leases expire.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<Claim>, Error> {
        let token = LeaseToken::generate();
        match self.send_claim(request, token).await {
            Err(error) if error.is_unanswered() => {
                let claimed = self.claimed_with(token).await?;
                if !claimed.is_empty() {
                    return Ok(claimed);
                }
                self.send_claim(request, LeaseToken::generate()).await
            }
            answered => answered,
        }
    }

    #[expect(clippy::too_many_lines, reason = "it is one statement")]
    async fn send_claim(
        &self,
        request: &ClaimRequest<'_>,
        token: LeaseToken,
    ) -> Result<Vec<Claim>, Error> {
        let takeover_pauses: Vec<_> = RetryPolicy::pauses().map(interval).collect();
        let rows = sqlx::query_as!(
            ClaimRow,
            r#"
            WITH RECURSIVE arrived AS (
                -- The first export of each project and each 5 seconds since the hints. A loose index
                -- scan: each step probes for the next (pending_since, project_id).
                (SELECT e.pending_since, e.project_id, e.due_at FROM exports e
                 WHERE e.pending_since >= coalesce($5::timestamptz, '-infinity')
                 ORDER BY e.pending_since, e.project_id, e.due_at LIMIT 1)
                UNION ALL
                SELECT later.* FROM arrived CROSS JOIN LATERAL (
                    SELECT e.pending_since, e.project_id, e.due_at FROM exports e
                    WHERE (e.pending_since, e.project_id) > (arrived.pending_since, arrived.project_id)
                      -- Implied by the line above, but only this one is a bound of the index scan.
                      AND e.pending_since >= arrived.pending_since
                    ORDER BY e.pending_since, e.project_id, e.due_at LIMIT 1) later
            ), pending AS (
                -- The first due exports of each project, by the hints and by the arrivals.
                SELECT head.* FROM unnest($6::text[], $7::timestamptz[]) hint (project_id, due_from)
                CROSS JOIN LATERAL (
                    SELECT e.id, e.project_id, e.due_at FROM exports e
                    WHERE e.status = 'pending' AND e.project_id = hint.project_id AND e.due_at >= hint.due_from
                      -- As a subquery it is a bound of the index scan: later rows are not read.
                      AND e.due_at <= (SELECT clock_timestamp())
                    -- About 16 more than the limit over all projects, so that concurrent claims find
                    -- rows that are not locked.
                    ORDER BY e.due_at, e.id LIMIT $2::int8 + 1 + 16 / greatest(cardinality($6), 1)) head
                UNION
                SELECT head.* FROM arrived CROSS JOIN LATERAL (
                    SELECT e.id, e.project_id, e.due_at FROM exports e
                    WHERE e.pending_since = arrived.pending_since AND e.project_id = arrived.project_id
                      AND e.due_at >= arrived.due_at AND e.due_at <= (SELECT clock_timestamp())
                    ORDER BY e.due_at, e.id LIMIT $2::int8 + 1 + 16 / (SELECT count(*) FROM arrived)) head
            ), held AS MATERIALIZED (
                SELECT id, project_id, started_at, lease_expires_at,
                       -- From the third takeover on, after the pause of a retry.
                       lease_expires_at + CASE WHEN takeovers < 2 THEN '0'::interval
                           ELSE ($9::interval[])[least(attempt, cardinality($9))] END AS takeover_at
                FROM (SELECT id, project_id, started_at, lease_expires_at, takeovers, attempt FROM exports
                      WHERE id = ANY ($8::uuid[]) AND lease_expires_at IS NOT NULL
                      UNION
                      SELECT id, project_id, started_at, lease_expires_at, takeovers, attempt FROM exports
                      WHERE processing_since >= coalesce($5::timestamptz, '-infinity')) processing
            ), running AS (
                SELECT project_id, count(*) AS exports,
                       min(started_at) < clock_timestamp() - interval '10 seconds' AS has_long
                FROM held
                WHERE lease_expires_at > clock_timestamp()
                GROUP BY project_id
            ), ranked AS MATERIALIZED (
                SELECT due.id, due.project_id, due.due_at, running.exports IS NULL AS is_idle,
                       coalesce(running.exports, 0) + due.position AS turn,
                       due.project_id = ANY ($11::text[]) AND running.has_long IS NOT TRUE AS may_borrow
                FROM (SELECT *, row_number() OVER (PARTITION BY project_id ORDER BY due_at, id) AS position
                      FROM pending) due
                LEFT JOIN running ON running.project_id = due.project_id
                UNION ALL
                SELECT held.id, held.project_id, held.takeover_at, running.exports IS NULL, 0, false
                FROM held LEFT JOIN running ON running.project_id = held.project_id
                WHERE held.takeover_at <= clock_timestamp()
            ), candidate AS MATERIALIZED (
                -- LATERAL: locks row by row in the order of turns, whatever the planner estimates.
                SELECT unlocked.id, unlocked.status, next.project_id, false AS borrows_slot
                FROM (SELECT id, project_id FROM ranked ORDER BY turn, due_at) next
                CROSS JOIN LATERAL (
                    SELECT e.id, e.status FROM exports e
                    WHERE e.id = next.id
                      AND CASE e.status WHEN 'pending' THEN e.due_at <= clock_timestamp()
                          WHEN 'processing' THEN e.lease_expires_at <= clock_timestamp() AND e.attempt < $4 END
                    FOR UPDATE SKIP LOCKED) unlocked
                LIMIT $2::int8 - $10::int8
            ), reserved AS MATERIALIZED (
                -- The same for the reserved slot. Its first choice is a project that has nothing running.
                SELECT unlocked.id, unlocked.status, next.project_id, NOT next.is_first AS borrows_slot
                FROM (SELECT *
                      FROM (SELECT id, due_at, turn, project_id, may_borrow,
                                   is_idle AND turn <= 1
                                   AND project_id <> ALL (ARRAY (SELECT project_id FROM candidate)) AS is_first
                            FROM ranked
                            WHERE id <> ALL (ARRAY (SELECT id FROM candidate))) others
                      WHERE is_first OR may_borrow
                      ORDER BY is_first DESC, turn, due_at) next
                CROSS JOIN LATERAL (
                    SELECT e.id, e.status FROM exports e
                    WHERE e.id = next.id
                      AND CASE e.status WHEN 'pending' THEN e.due_at <= clock_timestamp()
                          WHEN 'processing' THEN e.lease_expires_at <= clock_timestamp() AND e.attempt < $4 END
                    FOR UPDATE SKIP LOCKED) unlocked
                LIMIT $10::int8
            ), chosen AS MATERIALIZED (
                SELECT id, status, borrows_slot FROM candidate
                UNION ALL
                SELECT id, status, borrows_slot FROM reserved
            ), claimed AS (
                UPDATE exports e
                SET status = 'processing', attempt = e.attempt + 1,
                    takeovers = e.takeovers + (e.status = 'processing')::int,
                    started_at = greatest(e.created_at, clock_timestamp()),
                    lease_token = $12, lease_owner = $1,
                    lease_expires_at = clock_timestamp() + $3,
                    progress_rows = NULL, progress_bytes = NULL,
                    -- Without it, the trigger exports_claim_options skips the row.
                    claim_reads_options = CASE WHEN e.file_options IS NOT NULL THEN true END
                WHERE e.id = ANY (ARRAY (SELECT id FROM chosen))
                  AND CASE e.status WHEN 'pending' THEN e.due_at <= clock_timestamp()
                      WHEN 'processing' THEN e.lease_expires_at <= clock_timestamp() AND e.attempt < $4 END
                RETURNING e.id, e.project_id, e.direction, e.filter_start_time, e.filter_end_time,
                          e.filter_status, e.filter_statuses, e.filter_endpoint_id, e.filter_endpoint_ids,
                          e.attempt, e.lease_token, e.due_at, e.traceparent, e.file_options,
                          format('%s/%s/%s-%s.%s', e.project_id, e.id, e.attempt, e.lease_token,
                                 coalesce(e.file_extension, 'csv')) AS object_key
            ), replaced AS (
                UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp()
                WHERE export_id = ANY (ARRAY (SELECT id FROM claimed)) AND state = 'writing'
            ), recorded AS (
                INSERT INTO export_objects (key, export_id, state)
                SELECT object_key, id, 'writing' FROM claimed
            )
            SELECT claimed.id, project_id, direction, filter_start_time, filter_end_time, filter_status,
                   filter_statuses, filter_endpoint_id, filter_endpoint_ids, attempt, traceparent,
                   file_options::text AS file_options,
                   lease_token AS "lease_token!",
                   object_key AS "object_key!",
                   extract(epoch FROM clock_timestamp() - due_at)::float8 AS "waited!",
                   -- The row is locked, so this is the status that the UPDATE has replaced.
                   chosen.status = 'processing' AS "taken_over!", chosen.borrows_slot AS "borrows_slot!"
            FROM claimed JOIN chosen ON chosen.id = claimed.id
            "#,
            request.owner,
            i64::from(request.limit),
            interval(request.lease),
            attempts(request.max_attempts),
            request.hints.since,
            &request.hints.projects,
            &request.hints.due_from,
            &request.hints.processing,
            &takeover_pauses,
            i64::from(request.last_slot_reserved),
            &request.borrowers,
            token.0,
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        rows.into_iter().map(Claim::try_from).collect()
    }
}
