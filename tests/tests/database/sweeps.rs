//! Janitors: expiry, failed attempts, deletion of objects and of idempotency keys.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use exports_domain::ExportStatus::{Completed, Pending, Processing};
use exports_domain::{ExportId, ExportStatus};
use exports_tests::{ExportRow, TestDatabase};
use serde_json::json;
use uuid::Uuid;

use crate::support::{PROJECT, database, failure, object_state, objects, project};

const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn over() -> ExportRow {
    ExportRow::of(PROJECT, Completed).with_ago("expires_at", TimeDelta::seconds(1))
}

#[tokio::test]
async fn an_overdue_file_is_expired_and_marked_for_deletion() {
    let database = database().await;
    let storage = database.storage();
    let row = over();
    let id = row.insert_with_object(database.pool(), "kept").await;
    let living = ExportRow::of(PROJECT, Completed);
    let living = living.insert_with_object(database.pool(), "kept").await;
    let before = database.export_row(living).await;

    assert_eq!(storage.expire_due(10).await.unwrap(), [ExportId(id)]);
    assert_eq!(
        objects(&database, id).await,
        [
            json!({"key": row.object_key(), "state": "doomed", "upload_id": null, "sweeps_left": 1, "due": true})
        ]
    );
    let export = storage
        .get_export(&project(), ExportId(id))
        .await
        .unwrap()
        .unwrap();
    let exports_domain::ExportState::Expired(file) = export.state else {
        panic!("{export:?}")
    };
    assert_eq!(
        (file.row_count, file.size_bytes),
        (3, 120),
        "the row count and size are kept"
    );
    assert_eq!(database.export_row(living).await, before);
    assert!(
        storage.expire_due(10).await.unwrap().is_empty(),
        "safe to repeat"
    );
}

#[tokio::test]
async fn an_export_fails_when_the_lease_of_its_last_attempt_expires() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Processing).with("attempt", 3);
    let lost = row.clone().lease_ended();
    let lost_id = lost.insert_with_object(database.pool(), "writing").await;
    let bystanders = [
        ExportRow::of(PROJECT, Processing).with("attempt", 3),
        ExportRow::of(PROJECT, Processing)
            .with("attempt", 2)
            .lease_ended(),
        ExportRow::of(PROJECT, Pending).with("attempt", 3),
    ];
    for bystander in &bystanders {
        bystander.insert(database.pool()).await;
    }

    let failed = storage.fail_exhausted(3, &failure(), 10).await.unwrap();
    assert_eq!(failed, [ExportId(lost_id)]);
    let export = storage.get_export(&project(), ExportId(lost_id)).await;
    let exports_domain::ExportState::Failed {
        failure: why,
        started_at,
    } = export.unwrap().unwrap().state
    else {
        panic!("not failed")
    };
    assert_eq!(why, failure());
    assert!(started_at.is_some());
    let error = database.export_column(lost_id, "attempt_error").await;
    assert_eq!(error, "the lease of worker-1 expired");
    assert_eq!(object_state(&database, &lost.object_key()).await, "doomed");
    for bystander in bystanders {
        let status = database.export_column(bystander.id(), "status").await;
        assert_ne!(status, "failed", "{bystander:?}");
    }
}

pub(crate) async fn doom(database: &TestDatabase, count: i32, sweeps_left: i16) {
    sqlx::query(
        "INSERT INTO export_objects (key, export_id, upload_id, state, sweep_at, sweeps_left)
         SELECT 'proj_a/x/' || n, $1, 'upload-' || n, 'doomed', clock_timestamp(), $3
         FROM generate_series(1, $2) n",
    )
    .bind(Uuid::now_v7())
    .bind(count)
    .bind(sweeps_left)
    .execute(database.pool())
    .await
    .unwrap();
}

#[tokio::test]
async fn an_unfinished_deletion_is_due_again_after_a_minute() {
    let database = database().await;
    let storage = database.storage();
    doom(&database, 1, 2).await;
    assert_eq!(storage.take_pending_deletions(10).await.unwrap().len(), 1);
    let sql = "SELECT sweep_at > clock_timestamp() + interval '50 seconds'
                  AND sweep_at < clock_timestamp() + interval '61 seconds' FROM export_objects";
    assert_eq!(database.value(sql).await, true);
    database
        .execute("UPDATE export_objects SET sweep_at = clock_timestamp()")
        .await;
    assert_eq!(storage.take_pending_deletions(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn objects_being_written_or_kept_are_never_deleted() {
    let database = database().await;
    let storage = database.storage();
    let writing = ExportRow::of(PROJECT, Processing);
    let kept = ExportRow::of(PROJECT, Completed);
    writing.insert_with_object(database.pool(), "writing").await;
    kept.insert_with_object(database.pool(), "kept").await;
    assert!(storage.take_pending_deletions(10).await.unwrap().is_empty());
    // A wrong `object_deleted` does not remove their records.
    for row in [&writing, &kept] {
        storage
            .object_deleted(&row.object_key(), HOUR)
            .await
            .unwrap();
    }
    assert_eq!(
        object_state(&database, &writing.object_key()).await,
        "writing"
    );
    assert_eq!(object_state(&database, &kept.object_key()).await, "kept");
}

#[tokio::test]
async fn the_object_of_an_expired_attempt_is_deleted_twice_an_hour_apart() {
    let database = database().await;
    let storage = database.storage();
    doom(&database, 1, 2).await;
    let first = storage
        .take_pending_deletions(10)
        .await
        .unwrap()
        .pop()
        .unwrap();
    storage.object_deleted(&first.key, HOUR).await.unwrap();
    assert!(storage.take_pending_deletions(10).await.unwrap().is_empty());
    let sql = "SELECT sweep_at > clock_timestamp() + interval '59 minutes' FROM export_objects";
    assert_eq!(database.value(sql).await, true);

    database
        .execute("UPDATE export_objects SET sweep_at = clock_timestamp()")
        .await;
    let second = storage
        .take_pending_deletions(10)
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!(
        second, first,
        "the upload is deleted again in case it was resumed"
    );
    storage.object_deleted(&second.key, HOUR).await.unwrap();
    assert_eq!(
        database.value("SELECT count(*) FROM export_objects").await,
        json!(0)
    );
}

#[tokio::test]
async fn the_object_of_an_expired_export_is_deleted_once() {
    let database = database().await;
    let storage = database.storage();
    over().insert_with_object(database.pool(), "kept").await;
    storage.expire_due(10).await.unwrap();
    let object = storage
        .take_pending_deletions(10)
        .await
        .unwrap()
        .pop()
        .unwrap();
    storage.object_deleted(&object.key, HOUR).await.unwrap();
    assert_eq!(
        database.value("SELECT count(*) FROM export_objects").await,
        json!(0)
    );
}

#[tokio::test]
async fn idempotency_keys_are_cleared_after_a_day() {
    let database = database().await;
    let storage = database.storage();
    let row = |status: ExportStatus, key: &str, age: TimeDelta| {
        let row = ExportRow::of(PROJECT, status).with("idempotency_key", key);
        row.with_ago("created_at", age)
    };
    let day = TimeDelta::days(1);
    let old = [
        row(Pending, "k-1", day).insert(database.pool()).await,
        row(Completed, "k-2", day * 30)
            .insert(database.pool())
            .await,
        row(Processing, "k-3", day).insert(database.pool()).await,
    ];
    let young = row(Pending, "k-4", day - TimeDelta::minutes(1));
    let young = young.insert(database.pool()).await;

    assert_eq!(storage.clear_stale_idempotency_keys(2).await.unwrap(), 2);
    assert_eq!(storage.clear_stale_idempotency_keys(2).await.unwrap(), 1);
    assert_eq!(storage.clear_stale_idempotency_keys(2).await.unwrap(), 0);
    for id in old {
        assert!(
            database
                .export_column(id, "idempotency_key")
                .await
                .is_null()
        );
    }
    assert_eq!(
        database.export_column(young, "idempotency_key").await,
        "k-4"
    );
}

/// Reports of attempts that have ended, and of exports that are gone.
#[tokio::test]
async fn a_report_of_progress_that_is_left_over_is_removed_and_others_are_not() {
    let database = database().await;
    let storage = database.storage();
    let report = async |id: Uuid, token: &str, age: &str| {
        database
            .execute(format!(
                "INSERT INTO export_progress (export_id, lease_token, rows_written, bytes_written, updated_at)
                 VALUES ('{id}', {token}, 1, 1, clock_timestamp() - interval '{age}')"
            ))
            .await;
    };
    let reported = async || {
        let rows = database
            .rows("SELECT export_id AS id FROM export_progress")
            .await;
        let ids = rows
            .iter()
            .map(|row| row["id"].as_str().unwrap().parse().unwrap());
        ids.collect::<BTreeSet<Uuid>>()
    };
    let insert = async |status| ExportRow::of(PROJECT, status).insert(database.pool()).await;
    let token_of = |id: Uuid| format!("(SELECT lease_token FROM exports WHERE id = '{id}')");
    let other = "gen_random_uuid()";

    let running = insert(Processing).await;
    report(running, &token_of(running), "1 hour").await;
    // A worker that has just ended its attempt removes its report itself.
    let young = insert(Pending).await;
    report(young, other, "50 seconds").await;
    let stay = BTreeSet::from([running, young]);

    let taken_over = insert(Processing).await;
    report(taken_over, other, "70 seconds").await;
    let completed = insert(Completed).await;
    report(
        completed,
        &format!("coalesce({}, {other})", token_of(completed)),
        "70 seconds",
    )
    .await;
    let pending = insert(Pending).await;
    report(pending, other, "1 day").await;
    report(Uuid::now_v7(), other, "70 seconds").await;

    // A row that another statement holds is left for the next time.
    let mut holding = database.connect().await;
    let hold =
        format!("BEGIN; SELECT FROM export_progress WHERE export_id = '{pending}' FOR UPDATE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(hold))
        .execute(&mut holding)
        .await
        .unwrap();
    assert_eq!(
        storage.remove_stale_progress(2).await.unwrap(),
        2,
        "the limit"
    );
    assert_eq!(storage.remove_stale_progress(2).await.unwrap(), 1);
    assert_eq!(storage.remove_stale_progress(2).await.unwrap(), 0);
    assert!(reported().await.contains(&pending));
    sqlx::raw_sql("COMMIT").execute(&mut holding).await.unwrap();
    assert_eq!(storage.remove_stale_progress(2).await.unwrap(), 1);
    assert_eq!(reported().await, stay);
}
