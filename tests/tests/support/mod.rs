//! Helpers that the tests of `database`, `source` and `postgres` share.

#![allow(dead_code, reason = "each test crate uses a part of it")]

pub(crate) mod sessions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use exports_database::{Claim, ClaimRequest, Database, FinishedFile, NewExport};
use exports_domain::{
    Choice, Direction, ExportId, Failure, FailureCode, MessageFilter, ProjectId, TimeRange, time,
};
use exports_sandbox::LocalPostgres;
use exports_tests::TestDatabase;
use serde_json::Value;
use tokio::task::spawn_blocking;
use uuid::Uuid;

pub(crate) const PROJECT: &str = "proj_a";
/// Longer than any test.
pub(crate) const LEASE: Duration = Duration::from_hours(1);

/// A database with the project [`PROJECT`].
pub(crate) async fn database() -> TestDatabase {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    database
}

/// A server for one test, and the folder of its cluster. None if the server is a container.
pub(crate) async fn own_server() -> Option<(LocalPostgres, PathBuf)> {
    let postgres = spawn_blocking(LocalPostgres::start).await.unwrap().unwrap();
    let folder = postgres.folder()?.to_owned();
    Some((postgres, folder))
}

pub(crate) async fn stop(postgres: LocalPostgres) {
    let stopped = spawn_blocking(|| postgres.stop()).await.unwrap();
    stopped.unwrap();
}

pub(crate) fn project() -> ProjectId {
    PROJECT.parse().unwrap()
}

/// One export, for an hour, at most 8 attempts.
pub(crate) fn worker(owner: &str) -> ClaimRequest<'_> {
    ClaimRequest {
        owner,
        limit: 1,
        lease: LEASE,
        max_attempts: 8,
        hints: Arc::default(),
        last_slot_reserved: false,
        borrowers: Vec::new(),
    }
}

/// Claims the next export, if there is one.
pub(crate) async fn claim(storage: &Database) -> Option<Claim> {
    let mut claims = storage.claim(&worker("worker-1")).await.unwrap();
    assert!(claims.len() <= 1, "more than the limit: {claims:?}");
    claims.pop()
}

/// The first week of December 2025, outbound.
pub(crate) fn filter() -> MessageFilter {
    filter_of("2025-12-01T00:00:00Z", "2025-12-07T23:59:59.999999Z")
}

pub(crate) fn filter_of(start: &str, end: &str) -> MessageFilter {
    let at = |text| time::parse(text).unwrap();
    MessageFilter {
        range: TimeRange::new(at(start), at(end)).unwrap(),
        direction: Direction::Outbound,
        status: Choice::Any,
        endpoint: Choice::Any,
    }
}

/// A request for an export of [`PROJECT`].
pub(crate) fn new_export() -> NewExport {
    NewExport {
        id: ExportId::generate(),
        project: project(),
        filter: filter(),
        options: exports_domain::FileOptions::default(),
        label: None,
        retry_of: None,
        idempotency_key: None,
        traceparent: None,
        limits: exports_database::CreateLimits::default(),
    }
}

pub(crate) fn finished_file() -> FinishedFile {
    FinishedFile {
        row_count: 3,
        size_bytes: 120,
        sha256: [0xab; 32],
        files: None,
        snapshot_at: None,
        ttl: Duration::from_hours(1),
    }
}

pub(crate) fn failure() -> Failure {
    Failure {
        code: FailureCode::AttemptsExhausted,
        message: "The export could not be finished. Please try again.".to_owned(),
    }
}

/// Queues this many exports of a project and returns their ids, the oldest due time first.
pub(crate) async fn queue(database: &TestDatabase, project: &str, count: i32) -> Vec<Uuid> {
    database.project(project).await;
    sqlx::query_scalar(
        "INSERT INTO exports (id, project_id, created_at, direction, filter_start_time, filter_end_time, status, due_at)
         SELECT gen_random_uuid(), $1, due, 'outbound', '2025-12-01', '2025-12-02', 'pending', due
         FROM (SELECT clock_timestamp() - interval '1 hour' + n * interval '1 ms' AS due
               FROM generate_series(1, $2) n) queued
         RETURNING id",
    )
    .bind(project)
    .bind(count)
    .fetch_all(database.pool())
    .await
    .unwrap()
}

/// Sets a time column of an export to the past.
pub(crate) async fn backdate(database: &TestDatabase, id: Uuid, column: &str) {
    database
        .execute(format!(
            "UPDATE exports SET {column} = clock_timestamp() - interval '1 ms' WHERE id = '{id}'"
        ))
        .await;
}

/// The rows of an export in `export_objects`: state, uploads, sweeps.
pub(crate) async fn objects(database: &TestDatabase, id: Uuid) -> Vec<Value> {
    database
        .rows(&format!(
            "SELECT key, state, upload_id, sweeps_left, sweep_at <= clock_timestamp() AS due
             FROM export_objects WHERE export_id = '{id}' ORDER BY created_at, key"
        ))
        .await
}

/// The state of an object in `export_objects`; null if it has no row.
pub(crate) async fn object_state(database: &TestDatabase, key: &str) -> Value {
    let rows = database
        .rows(&format!(
            "SELECT state FROM export_objects WHERE key = '{key}'"
        ))
        .await;
    rows.first().map_or(Value::Null, |row| row["state"].clone())
}

/// Replaces the messages by a view that fails at the row of this time.
pub(crate) async fn spoil_row(database: &TestDatabase, created_at: &str) {
    database
        .execute(format!(
            "UPDATE messages SET attempt_count = 0 WHERE created_at = '{created_at}';
             ALTER TABLE messages RENAME TO stored;
             CREATE VIEW messages AS
             SELECT id, project_id, direction, endpoint_id, status, attempt_count, created_at, delivered_at, next_attempt_at,
                    1 / attempt_count AS response_status, response_latency_ms, total_delivery_ms, last_error FROM stored"
        ))
        .await;
}
