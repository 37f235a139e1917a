//! The autoscaler's query for the number of workers.

use chrono::TimeDelta;
use exports_domain::ExportStatus::{Completed, Expired, Failed, Pending, Processing};
use exports_tests::ExportRow;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{PROJECT, database};

/// The file that the Kubernetes manifests copy into the autoscaler's object.
const QUERY: &str = include_str!("../../../deploy/kubernetes/components/keda/queue-depth.sql");

async fn count(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar(QUERY)
        .fetch_one(connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_query_counts_due_and_processing_exports_only() {
    let database = database().await;
    let mut connection = database.connect().await;
    assert_eq!(count(&mut connection).await, 0, "the table is empty");
    for row in [
        ExportRow::of(PROJECT, Pending),
        ExportRow::of(PROJECT, Processing),
        ExportRow::of(PROJECT, Processing).lease_ended(),
        ExportRow::of(PROJECT, Pending).with_ago("due_at", TimeDelta::minutes(-5)),
        ExportRow::of(PROJECT, Completed),
        ExportRow::of(PROJECT, Failed),
        ExportRow::of(PROJECT, Expired),
    ] {
        row.insert(database.pool()).await;
    }
    assert_eq!(count(&mut connection).await, 3);
}

#[tokio::test]
async fn the_query_reads_only_status_and_due_at() {
    let database = database().await;
    let mut connection = database.connect().await;
    // The transaction is never committed: roles belong to the whole server.
    let mut transaction = connection.begin().await.unwrap();
    for statement in [
        "CREATE ROLE exports_test_autoscaler",
        "GRANT SELECT (status, due_at) ON exports TO exports_test_autoscaler",
        "SET LOCAL ROLE exports_test_autoscaler",
    ] {
        sqlx::query(statement)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    assert_eq!(count(&mut transaction).await, 0);
    let other = sqlx::query("SELECT project_id FROM exports")
        .execute(&mut *transaction)
        .await;
    assert!(
        other.is_err(),
        "the role can read a column that was not granted"
    );
}

#[tokio::test]
async fn the_query_uses_indexes_instead_of_scanning_exports() {
    let database = database().await;
    database
        .execute(
            "INSERT INTO exports (id, project_id, created_at, direction, filter_start_time, filter_end_time,
                                  status, due_at, error_code, error_message)
             SELECT gen_random_uuid(), 'proj_a', now(), 'outbound', '2025-12-01', '2025-12-02',
                    'failed', now(), 'INTERNAL_ERROR', 'why' FROM generate_series(1, 20000);
             ANALYZE exports",
        )
        .await;
    let explain = format!("EXPLAIN (FORMAT JSON) {QUERY}");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_one(database.pool())
        .await
        .unwrap();
    let plan = plan.to_string();
    assert!(!plan.contains("Seq Scan"), "{plan}");
    for index in ["exports_pending", "exports_processing"] {
        assert!(plan.contains(index), "{index}: {plan}");
    }
}
