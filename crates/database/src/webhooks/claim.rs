//! Claims deliveries that are due.
//!
//! A claim is a lease: `next_attempt_at` becomes its end, and `lease_token` fences the result. If the worker
//! is killed, the delivery is due again at the end of the lease.

use std::time::Duration;

use chrono::{DateTime, Utc};
use exports_domain::{
    DeliveryId, Export, ExportId, LeaseToken, TraceParent, WebhookEvent, WebhookId,
};
use sqlx::types::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::row::{ExportRow, interval};
use crate::webhooks::row::known;
use crate::webhooks::secret::WebhookSecret;

/// How many deliveries of a webhook the caller sends now.
#[derive(Debug, Clone, Copy)]
pub struct WebhookUse {
    /// The webhook.
    pub webhook: WebhookId,
    /// Deliveries.
    pub running: u16,
}

/// What to claim.
#[derive(Debug, Clone)]
pub struct DeliveryRequest<'a> {
    /// Maximum number of deliveries.
    pub limit: u16,
    /// Maximum number of those to webhooks whose latest attempt failed.
    pub limit_failing: u16,
    /// How many deliveries of one webhook may run at a time. Of a failing one: 1.
    pub per_webhook: u16,
    /// The webhooks that the caller sends to now.
    pub running: &'a [WebhookUse],
    /// Duration of the lease.
    pub lease: Duration,
}

/// A claimed delivery.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// Its id: the header `webhook-id`.
    pub id: DeliveryId,
    /// Fences the result.
    pub token: LeaseToken,
    /// Its webhook.
    pub webhook: WebhookId,
    /// The number of this attempt.
    pub attempt: u32,
    /// What it reports.
    pub event: WebhookEvent,
    /// When that happened.
    pub created_at: DateTime<Utc>,
    /// The export right after the event; `None` for a test.
    pub export: Option<Box<Export>>,
    /// The export of the event; `None` for a test.
    pub export_id: Option<ExportId>,
    /// The position of the export in its trace.
    pub traceparent: Option<TraceParent>,
    /// Where to send it.
    pub url: String,
    /// Whether the webhook is enabled. Otherwise only tests are sent.
    pub is_enabled: bool,
    /// Whether its latest attempt failed.
    pub is_failing: bool,
    /// What signs it: the secret, and during 24 hours after a rotation the one before.
    pub secrets: Vec<WebhookSecret>,
}

/// The result of a claim.
#[derive(Debug)]
pub struct DeliveryClaims {
    /// The claimed deliveries. Those that cannot be decoded are errors, each with its id and token.
    pub claimed: Vec<Result<ClaimedDelivery, (DeliveryId, LeaseToken, Error)>>,
    /// Time until the next delivery is due, of a webhook that has no claimed or running deliveries.
    pub next_due: Option<Duration>,
}

/// A row of the claim. Everything is null if nothing was claimed.
struct ClaimRow {
    next_due: Option<f64>,
    id: Option<Uuid>,
    lease_token: Option<Uuid>,
    webhook_id: Option<Uuid>,
    attempt: Option<i32>,
    event: Option<String>,
    created_at: Option<DateTime<Utc>>,
    url: Option<String>,
    is_enabled: Option<bool>,
    is_failing: Option<bool>,
    secret: Option<Vec<u8>>,
    previous_secret: Option<Vec<u8>>,
    export_id: Option<Uuid>,
    project_id: Option<String>,
    export_created_at: Option<DateTime<Utc>>,
    direction: Option<String>,
    filter_start_time: Option<DateTime<Utc>>,
    filter_end_time: Option<DateTime<Utc>>,
    filter_status: Option<String>,
    filter_statuses: Option<Vec<String>>,
    filter_endpoint_id: Option<Uuid>,
    filter_endpoint_ids: Option<Vec<Uuid>>,
    export_status: Option<String>,
    export_attempt: Option<i32>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    row_count: Option<i64>,
    file_size_bytes: Option<i64>,
    sha256: Option<Vec<u8>>,
    error_code: Option<String>,
    error_message: Option<String>,
    label: Option<String>,
    retry_of: Option<Uuid>,
    snapshot_at: Option<DateTime<Utc>>,
    file_options: Option<String>,
    files: Option<String>,
    traceparent: Option<String>,
}

impl Database {
    /// Claims deliveries, first those of webhooks that work, then in the order in which they are due.
    pub async fn claim_deliveries(
        &self,
        request: &DeliveryRequest<'_>,
    ) -> Result<DeliveryClaims, Error> {
        let webhooks: Vec<_> = request.running.iter().map(|it| it.webhook.0).collect();
        let running: Vec<_> = request
            .running
            .iter()
            .map(|it| i32::from(it.running))
            .collect();
        let rows = sqlx::query_as!(
            ClaimRow,
            r#"
            WITH RECURSIVE waiting AS (
                -- The first pending delivery of each webhook. A loose index scan: each step probes for the
                -- next webhook.
                (SELECT d.webhook_id, d.next_attempt_at FROM webhook_deliveries d WHERE d.status = 'pending'
                 ORDER BY d.webhook_id, d.next_attempt_at LIMIT 1)
                UNION ALL
                SELECT later.* FROM waiting CROSS JOIN LATERAL (
                    SELECT d.webhook_id, d.next_attempt_at FROM webhook_deliveries d
                    WHERE d.status = 'pending' AND d.webhook_id > waiting.webhook_id
                    ORDER BY d.webhook_id, d.next_attempt_at LIMIT 1) later
            ), free AS (
                -- How many more deliveries of each webhook may run.
                SELECT waiting.webhook_id, w.failing_since IS NOT NULL AS is_failing,
                       CASE WHEN w.failing_since IS NULL THEN $3::int ELSE 1 END
                           - coalesce((SELECT own.running FROM unnest($4::uuid[], $5::int[]) own (webhook_id, running)
                                       WHERE own.webhook_id = w.id), 0) AS free
                FROM waiting JOIN webhooks w ON w.id = waiting.webhook_id
                WHERE waiting.next_attempt_at <= clock_timestamp()
            ), ranked AS MATERIALIZED (
                SELECT head.id, head.next_attempt_at, free.is_failing,
                       row_number() OVER (PARTITION BY free.is_failing ORDER BY head.next_attempt_at) AS position
                FROM free CROSS JOIN LATERAL (
                    SELECT d.id, d.next_attempt_at FROM webhook_deliveries d
                    WHERE d.webhook_id = free.webhook_id AND d.status = 'pending'
                      -- As a subquery it is a bound of the index scan: later rows are not read.
                      AND d.next_attempt_at <= (SELECT clock_timestamp())
                    ORDER BY d.next_attempt_at LIMIT greatest(free.free, 0)) head
            ), chosen AS MATERIALIZED (
                SELECT unlocked.id
                FROM (SELECT id FROM ranked WHERE NOT is_failing OR position <= $2::int
                      ORDER BY is_failing, next_attempt_at) next
                CROSS JOIN LATERAL (
                    SELECT d.id FROM webhook_deliveries d
                    WHERE d.id = next.id AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()
                    FOR UPDATE SKIP LOCKED) unlocked
                LIMIT $1
            ), claimed AS (
                UPDATE webhook_deliveries d
                SET attempt = d.attempt + 1, lease_token = gen_random_uuid(),
                    next_attempt_at = clock_timestamp() + $6
                WHERE d.id = ANY (ARRAY (SELECT id FROM chosen))
                  AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()
                RETURNING d.id, d.lease_token, d.webhook_id, d.attempt, d.event, d.export_id, d.created_at, d.snapshot
            )
            SELECT (SELECT extract(epoch FROM min(next_attempt_at) - clock_timestamp())::float8 FROM waiting
                    WHERE webhook_id <> ALL ($4) AND webhook_id <> ALL (ARRAY (SELECT webhook_id FROM claimed))) AS next_due,
                   claimed.id AS "id?", claimed.lease_token AS "lease_token?", claimed.webhook_id AS "webhook_id?",
                   claimed.attempt AS "attempt?", claimed.event AS "event?", claimed.created_at AS "created_at?",
                   w.url AS "url?", w.status = 'enabled' AS is_enabled,
                   w.failing_since IS NOT NULL AS is_failing, w.secret AS "secret?",
                   CASE WHEN w.previous_secret_until > clock_timestamp() THEN w.previous_secret END AS previous_secret,
                   claimed.export_id AS "export_id?", e.project_id AS "project_id?", e.created_at AS "export_created_at?",
                   e.direction AS "direction?", e.filter_start_time AS "filter_start_time?",
                   e.filter_end_time AS "filter_end_time?", e.filter_status AS "filter_status?",
                   e.filter_statuses AS "filter_statuses?", e.filter_endpoint_id AS "filter_endpoint_id?",
                   e.filter_endpoint_ids AS "filter_endpoint_ids?", e.status AS "export_status?",
                   e.attempt AS "export_attempt?", e.started_at AS "started_at?", e.completed_at AS "completed_at?",
                   e.expires_at AS "expires_at?", e.row_count AS "row_count?", e.file_size_bytes AS "file_size_bytes?",
                   e.sha256 AS "sha256?", e.error_code AS "error_code?", e.error_message AS "error_message?",
                   e.label AS "label?", e.retry_of AS "retry_of?", e.snapshot_at AS "snapshot_at?",
                   e.file_options::text AS "file_options?", e.files::text AS "files?",
                   e.traceparent AS "traceparent?"
            FROM (SELECT) one
            LEFT JOIN (claimed JOIN webhooks w ON w.id = claimed.webhook_id
                       LEFT JOIN LATERAL jsonb_populate_record(NULL::exports, claimed.snapshot) e ON true) ON true
            "#,
            i64::from(request.limit),
            i32::from(request.limit_failing),
            i32::from(request.per_webhook),
            &webhooks,
            &running,
            interval(request.lease),
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        let seconds = rows.first().and_then(|row| row.next_due);
        let next_due =
            seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let claimed = rows.into_iter().filter_map(claimed).collect();
        Ok(DeliveryClaims { claimed, next_due })
    }
}

fn claimed(row: ClaimRow) -> Option<Result<ClaimedDelivery, (DeliveryId, LeaseToken, Error)>> {
    let (id, token) = (DeliveryId(row.id?), LeaseToken(row.lease_token?));
    Some(row.decode(id, token).map_err(|error| (id, token, error)))
}

impl ClaimRow {
    fn decode(self, id: DeliveryId, token: LeaseToken) -> Result<ClaimedDelivery, Error> {
        let secrets = self
            .secret
            .clone()
            .into_iter()
            .chain(self.previous_secret.clone());
        Ok(ClaimedDelivery {
            id,
            token,
            webhook: WebhookId(set(id, "webhook_id", self.webhook_id)?),
            attempt: set(id, "attempt", self.attempt)?.unsigned_abs(),
            event: known(id.0, "event", &set(id, "event", self.event.clone())?)?,
            created_at: set(id, "created_at", self.created_at)?,
            url: set(id, "url", self.url.clone())?,
            is_enabled: self.is_enabled.unwrap_or(false),
            is_failing: self.is_failing.unwrap_or(false),
            secrets: secrets.map(WebhookSecret::stored).collect(),
            export_id: self.export_id.map(ExportId),
            traceparent: self.traceparent.as_deref().and_then(TraceParent::parse),
            export: match self.export_id {
                None => None,
                Some(export) => Some(Box::new(self.export(id, export)?)),
            },
        })
    }

    fn export(self, delivery: DeliveryId, id: Uuid) -> Result<Export, Error> {
        ExportRow {
            id,
            project_id: set(delivery, "project_id", self.project_id)?,
            created_at: set(delivery, "created_at", self.export_created_at)?,
            direction: set(delivery, "direction", self.direction)?,
            filter_start_time: set(delivery, "filter_start_time", self.filter_start_time)?,
            filter_end_time: set(delivery, "filter_end_time", self.filter_end_time)?,
            filter_status: self.filter_status,
            filter_statuses: self.filter_statuses,
            filter_endpoint_id: self.filter_endpoint_id,
            filter_endpoint_ids: self.filter_endpoint_ids,
            status: set(delivery, "status", self.export_status)?,
            attempt: set(delivery, "attempt", self.export_attempt)?,
            started_at: self.started_at,
            completed_at: self.completed_at,
            expires_at: self.expires_at,
            row_count: self.row_count,
            file_size_bytes: self.file_size_bytes,
            sha256: self.sha256,
            error_code: self.error_code,
            error_message: self.error_message,
            label: self.label,
            retry_of: self.retry_of,
            snapshot_at: self.snapshot_at,
            file_options: self.file_options,
            files: self.files,
        }
        .try_into()
    }
}

fn set<T>(id: DeliveryId, column: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::Corrupt {
        row: format!("delivery {id}"),
        column,
        value: "null".to_owned(),
    })
}
