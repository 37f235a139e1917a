//! Query plans: statements use small indexes, with any number of exports and any statistics.
//!
//! PostgreSQL plans a prepared statement once for all parameters (`force_generic_plan`), or again for each execution. Both plans
//! must be good.

use std::path::Path;

use exports_tests::TestDatabase;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::{PROJECT, database};

/// A statement of storage with parameters, and how many rows it has to touch in `crowded`.
struct Case {
    /// Text that occurs only in this statement.
    marker: &'static str,
    types: &'static str,
    arguments: String,
    rows: f64,
}

/// The text of a statement, from the metadata of its compile-time check.
fn statement(marker: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.sqlx");
    let mut found = Vec::new();
    for entry in folder.read_dir().expect("the metadata of the queries") {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let query: Value = serde_json::from_str(&text).unwrap();
        let query = query["query"].as_str().unwrap();
        if one_line(query).contains(marker) {
            found.push(query.to_owned());
        }
    }
    assert_eq!(found.len(), 1, "statements with {marker:?}");
    found.remove(0)
}

/// The query without line breaks.
fn one_line(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every node of a plan.
fn nodes(plan: &Value) -> Vec<&Value> {
    let children = plan["Plans"].as_array().into_iter().flatten();
    std::iter::once(plan)
        .chain(children.flat_map(nodes))
        .collect()
}

/// The number of blocks that the plan read.
fn blocks(plan: &Value) -> u64 {
    let kinds = ["Shared Hit Blocks", "Shared Read Blocks"];
    kinds.iter().map(|kind| plan[kind].as_u64().unwrap()).sum()
}

async fn run(connection: &mut PgConnection, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into()))
        .execute(connection)
        .await
        .unwrap();
}

/// Runs the statement, rolls it back, and checks its plan.
async fn check(connection: &mut PgConnection, case: &Case, mode: &str) {
    run(connection, format!("SET plan_cache_mode = {mode}; BEGIN")).await;
    let explain = format!(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE tried ({})",
        case.arguments
    );
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    run(connection, "ROLLBACK").await;
    let plan = &plan[0]["Plan"];
    let context = format!("{} with {mode}: {plan:#}", case.marker);
    for node in nodes(plan) {
        let archive = ["exports", "export_objects"].map(Value::from);
        let scanned = node["Node Type"] == "Seq Scan" && archive.contains(&node["Relation Name"]);
        assert!(!scanned, "{context}");
    }
    let rows = |node: &Value| node["Actual Rows"].as_f64().unwrap();
    // The input rows of a write: without RETURNING it has no output rows.
    let written = nodes(plan)
        .into_iter()
        .filter(|node| node["Node Type"] == "ModifyTable")
        .flat_map(|node| node["Plans"].as_array().into_iter().flatten())
        .filter(|child| child["Parent Relationship"] == "Outer")
        .map(rows)
        .fold(0.0, f64::max);
    let touched = written.max(rows(plan));
    assert!(
        (touched - case.rows).abs() < 0.5,
        "{touched} rows: {context}"
    );
    // Each of a few rows is found, locked and written, with its index entries.
    assert!(blocks(plan) < 400, "{} blocks: {context}", blocks(plan));
}

/// 200,000 exports and as many objects: 50,000 pending and not due for an hour, 100,000 completed
/// with a week left, 50,000 failed; and ten of each kind that a statement looks for.
async fn crowded() -> TestDatabase {
    let database = database().await;
    database
        .execute(
            "CREATE FUNCTION put(kind text, count int, at timestamptz, key text) RETURNS void LANGUAGE sql AS $$
               INSERT INTO exports (id, project_id, created_at, direction, filter_start_time, filter_end_time, status, attempt, due_at,
                                    started_at, completed_at, expires_at, row_count, file_size_bytes, sha256, object_key,
                                    error_code, error_message, lease_token, lease_owner, lease_expires_at, idempotency_key)
               SELECT gen_random_uuid(), 'proj_a', at - interval '8 days', 'outbound', '2025-12-01', '2025-12-02', kind, 1, each,
                      CASE WHEN kind <> 'pending' THEN at - interval '8 days' END,
                      CASE kind WHEN 'completed' THEN at - interval '8 days' END, CASE kind WHEN 'completed' THEN each END,
                      CASE kind WHEN 'completed' THEN 1 END, CASE kind WHEN 'completed' THEN 1 END,
                      CASE kind WHEN 'completed' THEN sha256('x') END, CASE kind WHEN 'completed' THEN 'key' END,
                      CASE kind WHEN 'failed' THEN 'INTERNAL_ERROR' END, CASE kind WHEN 'failed' THEN 'why' END,
                      gen_random_uuid(), CASE kind WHEN 'processing' THEN 'worker-1' END, CASE kind WHEN 'processing' THEN each END,
                      key || n
               FROM (SELECT n, at + n * interval '1 ms' AS each FROM generate_series(1, count) n) each $$;
             SELECT put('pending', 50000, now() + interval '1 hour', NULL), put('pending', 10, now() - interval '1 hour', NULL),
                    put('completed', 100000, now() + interval '7 days', NULL), put('completed', 10, now() - interval '1 hour', NULL),
                    put('failed', 50000, now(), NULL), put('processing', 10, now() - interval '1 hour', NULL),
                    put('failed', 10, now(), 'old-');
             UPDATE exports SET created_at = now(), started_at = NULL, idempotency_key = 'new-' || id
             WHERE id IN (SELECT id FROM exports WHERE status = 'failed' AND idempotency_key IS NULL LIMIT 20000);
             UPDATE exports SET created_at = now() - interval '100 days', started_at = NULL WHERE idempotency_key LIKE 'old-%';
             INSERT INTO export_objects (key, export_id, state) SELECT 'key-' || id, id, CASE status WHEN 'completed' THEN 'kept' ELSE 'writing' END
             FROM exports WHERE status IN ('completed', 'processing');
             INSERT INTO export_objects (key, export_id, state, sweep_at)
             SELECT 'doomed-' || n, gen_random_uuid(), 'doomed', now() + CASE WHEN n > 10 THEN interval '1 hour' ELSE interval '-1 hour' END
             FROM generate_series(1, 100000) n",
        )
        .await;
    database
}

#[tokio::test]
async fn frequent_statements_do_not_scan_whole_tables() {
    let database = crowded().await;
    let cursor = database
        .value(
            "SELECT format('''%s'', ''%s''', created_at, id) FROM exports
             ORDER BY created_at DESC, id DESC OFFSET 150000 LIMIT 1",
        )
        .await;
    let page = format!("'{PROJECT}', {}, 5", cursor.as_str().unwrap());
    let first = format!("'{PROJECT}', NULL, NULL, 5");
    let cases = [
        (
            "FROM claimed JOIN chosen",
            "text, int8, interval, int4, timestamptz, text[], timestamptz[], uuid[], interval[], int8, text[], uuid",
            "'w', 5, '30 s', 8, NULL, '{}', '{}', '{}', '{1 s, 4 s}', 0, '{}', gen_random_uuid()",
            5.0,
        ),
        // Four slots and the reserved one, which the only project may borrow.
        (
            "FROM claimed JOIN chosen",
            "text, int8, interval, int4, timestamptz, text[], timestamptz[], uuid[], interval[], int8, text[], uuid",
            "'w', 5, '30 s', 8, NULL, '{}', '{}', '{}', '{1 s, 4 s}', 1, '{proj_a}', gen_random_uuid()",
            5.0,
        ),
        ("SET status = 'expired'", "int8", "5", 5.0),
        (
            "'the lease of '",
            "int4, text, text, int8",
            "1, 'INTERNAL_ERROR', 'why', 5",
            5.0,
        ),
        ("ORDER BY created_at LIMIT $1", "int8", "5", 5.0),
        (
            "created_at) LIMIT $2",
            "interval, int8",
            "'90 days', 5",
            5.0,
        ),
        ("ORDER BY sweep_at LIMIT", "int8", "5", 5.0),
        (
            "END AS \"status!\" FROM exports WHERE project_id = $1",
            "text, timestamptz, uuid, int8",
            &page,
            5.0,
        ),
        (
            "WHERE project_id = $1 AND status = 'failed' --",
            "text, timestamptz, uuid, int8",
            &first,
            5.0,
        ),
        (
            "status = 'processing' ) SELECT id, project_id",
            "text, timestamptz, uuid, int8",
            &first,
            5.0,
        ),
        (
            "AND expires_at > (SELECT clock_timestamp()) AND (created_at",
            "text, timestamptz, uuid, int8",
            &first,
            5.0,
        ),
        (
            "WITH overdue AS MATERIALIZED",
            "text, timestamptz, uuid, int8",
            &first,
            5.0,
        ),
    ]
    .map(|(marker, types, arguments, rows)| Case {
        marker,
        types,
        arguments: arguments.to_owned(),
        rows,
    });
    check_all(&database, &cases).await;
}

/// Checks each case with both kinds of plan.
async fn check_all(database: &TestDatabase, cases: &[Case]) {
    let mut connection = database.connect().await;
    // The same setting as in the service's sessions.
    run(&mut connection, "SET jit = off").await;
    // Without statistics of the new rows, and after ANALYZE.
    for statistics in [
        "SELECT 1",
        "VACUUM ANALYZE exports",
        "VACUUM ANALYZE export_objects",
    ] {
        database.execute(statistics).await;
        for case in cases {
            let text = statement(case.marker);
            let prepare = format!("PREPARE tried ({}) AS {text}", case.types);
            run(&mut connection, prepare).await;
            for mode in ["force_custom_plan", "force_generic_plan"] {
                check(&mut connection, case, mode).await;
            }
            run(&mut connection, "DEALLOCATE tried").await;
        }
    }
}

/// 10,000 exports that left the queue a minute ago, one that is being processed (its
/// id is 1, its token 2), and ten that have just become pending.
async fn gone_through(database: &TestDatabase) {
    database
        .execute(
            "ALTER TABLE exports DISABLE TRIGGER exports_enter_queue;
             INSERT INTO exports (id, project_id, created_at, due_at, status, direction, filter_start_time, filter_end_time, pending_since)
             SELECT gen_random_uuid(), 'proj_a', now(), now(), 'pending', 'outbound', '2025-12-01', '2025-12-02', now() - interval '1 minute'
             FROM generate_series(1, 10000);
             UPDATE exports SET status = 'processing', pending_since = NULL, processing_since = now() - interval '1 minute',
                 attempt = 1, started_at = now(), lease_token = gen_random_uuid(), lease_owner = 'w', lease_expires_at = now();
             UPDATE exports SET status = 'completed', processing_since = NULL, lease_owner = NULL, lease_expires_at = NULL,
                 object_key = id::text, row_count = 1, file_size_bytes = 1, sha256 = sha256('x'), completed_at = now(),
                 expires_at = now() + interval '7 days';
             INSERT INTO export_objects (key, export_id, state) SELECT id::text, id, 'kept' FROM exports;
             ALTER TABLE exports ENABLE TRIGGER exports_enter_queue;
             INSERT INTO exports (id, project_id, created_at, due_at, status, direction, filter_start_time, filter_end_time)
             SELECT gen_random_uuid(), 'proj_a', now(), now(), 'pending', 'outbound', '2025-12-01', '2025-12-02'
             FROM generate_series(1, 10);
             INSERT INTO exports (id, project_id, created_at, due_at, status, direction, filter_start_time, filter_end_time,
                                  attempt, started_at, lease_token, lease_owner, lease_expires_at)
             VALUES (lpad('1', 32, '0')::uuid, 'proj_a', now(), now(), 'processing', 'outbound', '2025-12-01', '2025-12-02',
                     1, now(), lpad('2', 32, '0')::uuid, 'w', now() + interval '1 hour');
             INSERT INTO export_objects (key, export_id, state) VALUES ('the-key', lpad('1', 32, '0')::uuid, 'writing')",
        )
        .await;
    // As autovacuum does within a minute. Without statistics, a third of all exports would seem to be active.
    database.execute("ANALYZE exports, export_objects").await;
}

/// A long export holds a snapshot, so index entries of exports that have left the queue cannot be
/// removed. Frequent statements of workers must not scan all of these entries.
#[tokio::test]
async fn worker_statements_skip_dead_index_entries_during_a_long_snapshot() {
    let database = database().await;
    let mut long_export = database.connect().await;
    run(&mut long_export, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    run(&mut long_export, "SELECT FROM exports").await;
    gone_through(&database).await;
    let recently = "date_bin('5 seconds', now() - interval '5 seconds', '2000-01-01T00:00:00Z'), '{}', '{}', '{}'";
    let lease = "lpad('1', 32, '0')::uuid, lpad('2', 32, '0')::uuid";
    let cases = [
        (
            "FROM claimed JOIN chosen",
            "text, int8, interval, int4, timestamptz, text[], timestamptz[], uuid[], interval[], int8, text[], uuid",
            format!("'w', 5, '30 s', 8, {recently}, '{{1 s, 4 s}}', 0, '{{}}', gen_random_uuid()"),
            5.0,
        ),
        // The only project has an export running: the reserved slot stays free.
        (
            "FROM claimed JOIN chosen",
            "text, int8, interval, int4, timestamptz, text[], timestamptz[], uuid[], interval[], int8, text[], uuid",
            format!("'w', 5, '30 s', 8, {recently}, '{{1 s, 4 s}}', 1, '{{}}', gen_random_uuid()"),
            4.0,
        ),
        (
            "AS \"lease_ended!\"",
            "timestamptz, text[], timestamptz[], uuid[], interval",
            format!("{recently}, '5 s'"),
            1.0,
        ),
        (
            "progress_rows = $4",
            "uuid, uuid, interval, int8, int8",
            format!("{lease}, '30 s', 1, 1"),
            1.0,
        ),
        (
            "upload_id = $4",
            "uuid, uuid, text, text",
            format!("{lease}, 'the-key', 'upload'"),
            1.0,
        ),
        (
            "SET files = $4, upload_id = NULL",
            "uuid, uuid, text, int4",
            format!("{lease}, 'the-key', 2"),
            1.0,
        ),
        (
            "sha256 = $6",
            "uuid, uuid, text, int8, int8, bytea, interval, timestamptz, text",
            format!("{lease}, 'the-key', 1, 1, sha256('x'), '7 days', now(), NULL"),
            1.0,
        ),
        (
            "THEN e.attempt - 1 ELSE e.attempt END, due_at",
            "uuid, uuid, interval, text",
            format!("{lease}, '1 s', 'why'"),
            1.0,
        ),
        (
            "error_message = $4, attempt_error = $5",
            "uuid, uuid, text, text, text",
            format!("{lease}, 'INTERNAL_ERROR', 'why', 'why'"),
            1.0,
        ),
    ]
    .map(|(marker, types, arguments, rows)| Case {
        marker,
        types,
        arguments,
        rows,
    });
    check_all(&database, &cases).await;
}

/// The query of each scrape reads the queue, which is short, and not the finished exports.
#[tokio::test]
async fn the_queue_depth_query_does_not_scan_the_whole_table() {
    let database = crowded().await;
    // A queue of 10,000. PostgreSQL reads a queue of a quarter of the table without an index.
    let fewer = "DELETE FROM exports WHERE id IN
                 (SELECT id FROM exports WHERE status = 'pending' AND due_at > now() LIMIT 40000)";
    database.execute(fewer).await;
    let mut connection = database.connect().await;
    run(&mut connection, "SET jit = off").await;
    for statistics in ["SELECT 1", "VACUUM ANALYZE exports"] {
        database.execute(statistics).await;
        let explain = format!(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}",
            statement("retrying_age!")
        );
        let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let plan = &plan[0]["Plan"];
        for node in nodes(plan) {
            assert_ne!(node["Node Type"], "Seq Scan", "{plan:#}");
        }
        // 10,000 of 160,000 exports are pending: only those and their index are read.
        assert!(blocks(plan) < 3_000, "{} blocks: {plan:#}", blocks(plan));
    }
}
