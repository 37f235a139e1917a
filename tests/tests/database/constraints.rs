//! Invalid rows of `exports`: a CHECK constraint rejects each.

use chrono::TimeDelta;
use exports_domain::ExportStatus::{Completed, Expired, Failed, Pending, Processing};
use exports_tests::{ExportRow, uuid};
use serde_json::{Value, json};

use crate::support::{PROJECT, database};

fn row(status: exports_domain::ExportStatus) -> ExportRow {
    ExportRow::of(PROJECT, status)
}

/// Valid except for the name of its state.
fn unknown_status() -> ExportRow {
    row(Failed)
        .with("status", "done")
        .with("error_code", Value::Null)
        .with("error_message", Value::Null)
}

/// The name of the violated CHECK constraint. Panics on any other result.
#[track_caller]
pub(crate) fn refused_by<T: std::fmt::Debug>(result: Result<T, sqlx::Error>, case: &str) -> String {
    let error = result.expect_err(case);
    let error = error.into_database_error().expect(case);
    assert_eq!(error.code().as_deref(), Some("23514"), "{case}: {error}");
    error.constraint().expect(case).to_owned()
}

#[tokio::test]
async fn every_state_has_a_valid_row() {
    let database = database().await;
    for &status in exports_domain::ExportStatus::ALL {
        row(status).insert(database.pool()).await;
    }
    // Failed before the first claim.
    row(Failed)
        .with("started_at", Value::Null)
        .with("lease_token", Value::Null)
        .with("attempt", 0)
        .insert(database.pool())
        .await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn invalid_exports_are_rejected() {
    let long_key = "k".repeat(256);
    let cases = [
        ("exports_status_check", unknown_status()),
        (
            "exports_direction_check",
            row(Pending).with("direction", "sideways"),
        ),
        (
            "exports_filter_status_check",
            row(Pending).with("filter_status", "lost"),
        ),
        (
            "exports_filter_statuses_check",
            row(Pending).with("filter_statuses", json!(["queued", "lost"])),
        ),
        (
            "exports_filter_statuses_check",
            row(Pending).with("filter_statuses", json!(["queued", null])),
        ),
        (
            "exports_filter_statuses_check",
            row(Pending).with("filter_statuses", json!([])),
        ),
        (
            "exports_filter_endpoint_ids_check",
            row(Pending).with("filter_endpoint_ids", json!([])),
        ),
        (
            "exports_filter_endpoint_ids_check",
            row(Pending).with("filter_endpoint_ids", json!([uuid(1), null])),
        ),
        (
            "exports_filter_endpoint_ids_check",
            row(Pending).with("filter_endpoint_ids", json!(vec![uuid(1); 51])),
        ),
        (
            "exports_filter_once",
            row(Pending)
                .with("filter_status", "queued")
                .with("filter_statuses", json!(["queued"])),
        ),
        (
            "exports_filter_once",
            row(Pending)
                .with("filter_endpoint_id", json!(uuid(1)))
                .with("filter_endpoint_ids", json!([uuid(1)])),
        ),
        (
            "exports_options",
            row(Pending).with("file_options", json!({"format": "jsonl"})),
        ),
        (
            "exports_options",
            row(Pending).with("file_extension", "jsonl"),
        ),
        (
            "exports_file_options_check",
            row(Pending)
                .with("file_options", json!(["jsonl"]))
                .with("file_extension", "jsonl"),
        ),
        (
            "exports_claim_reads_options_check",
            row(Pending).with("claim_reads_options", true),
        ),
        ("exports_attempt_check", row(Pending).with("attempt", -1)),
        (
            "exports_range",
            row(Pending).with("filter_end_time", "2025-12-01T00:00:00Z"),
        ),
        (
            "exports_range",
            row(Pending).with("filter_end_time", "2025-11-30T00:00:00Z"),
        ),
        (
            "exports_idempotency_key_check",
            row(Pending).with("idempotency_key", ""),
        ),
        (
            "exports_idempotency_key_check",
            row(Pending).with("idempotency_key", "two words"),
        ),
        (
            "exports_idempotency_key_check",
            row(Pending).with("idempotency_key", "naïve"),
        ),
        (
            "exports_idempotency_key_check",
            row(Pending).with("idempotency_key", long_key),
        ),
        (
            "exports_traceparent_check",
            row(Pending).with("traceparent", "00-short"),
        ),
        // Leases.
        (
            "exports_lease",
            row(Processing).with("lease_token", Value::Null),
        ),
        (
            "exports_lease",
            row(Processing).with("lease_expires_at", Value::Null),
        ),
        (
            "exports_lease",
            row(Processing).with("lease_owner", Value::Null),
        ),
        (
            "exports_lease",
            row(Pending).with("lease_owner", "worker-1"),
        ),
        (
            "exports_lease",
            row(Completed).with_ago("lease_expires_at", TimeDelta::hours(-1)),
        ),
        // Attempts.
        (
            "exports_started",
            row(Pending).with_ago("started_at", TimeDelta::minutes(1)),
        ),
        (
            "exports_started",
            row(Processing).with("started_at", Value::Null),
        ),
        ("exports_started", row(Processing).with("attempt", 0)),
        ("exports_started", row(Completed).with("attempt", 0)),
        (
            "exports_started",
            row(Expired).with("started_at", Value::Null),
        ),
        // Files.
        ("exports_file", row(Completed).with("sha256", Value::Null)),
        (
            "exports_file",
            row(Completed).with("row_count", Value::Null),
        ),
        (
            "exports_file",
            row(Completed).with("file_size_bytes", Value::Null),
        ),
        (
            "exports_file",
            row(Completed).with("completed_at", Value::Null),
        ),
        ("exports_file", row(Expired).with("expires_at", Value::Null)),
        ("exports_file", row(Processing).with("row_count", 1)),
        ("exports_file", row(Failed).with("file_size_bytes", 1)),
        (
            "exports_row_count_check",
            row(Completed).with("row_count", -1),
        ),
        (
            "exports_file_size_bytes_check",
            row(Completed).with("file_size_bytes", -1),
        ),
        (
            "exports_sha256_check",
            row(Completed).with("sha256", "\\xabcd"),
        ),
        (
            "exports_object",
            row(Completed).with("object_key", Value::Null),
        ),
        (
            "exports_object",
            row(Expired).with("object_key", "proj_a/x/1-y.csv"),
        ),
        (
            "exports_object",
            row(Processing).with("object_key", "proj_a/x/1-y.csv"),
        ),
        // Failures.
        (
            "exports_failure",
            row(Failed).with("error_code", Value::Null),
        ),
        (
            "exports_failure",
            row(Failed).with("error_message", Value::Null),
        ),
        (
            "exports_failure",
            row(Completed).with("error_code", "INTERNAL_ERROR"),
        ),
        ("exports_failure", row(Pending).with("error_message", "why")),
        // Times out of order.
        (
            "exports_times",
            row(Processing).with_ago("started_at", TimeDelta::hours(2)),
        ),
        (
            "exports_times",
            row(Completed).with_ago("completed_at", TimeDelta::minutes(55)),
        ),
        (
            "exports_times",
            row(Completed).with_ago("expires_at", TimeDelta::minutes(41)),
        ),
        (
            "exports_times",
            row(Failed).with_ago("started_at", TimeDelta::hours(2)),
        ),
    ];
    let database = database().await;
    for (expected, row) in cases {
        let case = format!("{expected}: {row:?}");
        let constraint = refused_by(row.try_insert(database.pool()).await, &case);
        assert_eq!(constraint, expected, "{row:?}");
    }
    assert_eq!(
        database.value("SELECT count(*) FROM exports").await,
        json!(0)
    );
}

#[tokio::test]
async fn an_expiry_equal_to_the_completion_time_is_rejected() {
    let database = database().await;
    let at = "2025-12-06T12:05:00Z";
    let row = row(Completed)
        .with("created_at", at)
        .with("started_at", at)
        .with("completed_at", at);
    // All times are equal except the expiry, which must be later.
    row.clone()
        .with("expires_at", "2025-12-06T12:05:00.000001Z")
        .insert(database.pool())
        .await;
    let refused = row.with("expires_at", at).try_insert(database.pool()).await;
    let refused = refused.map(drop);
    assert_eq!(
        refused_by(refused, "expires_at equals completed_at"),
        "exports_times"
    );
}
