//! Idempotency keys: one key creates one export within a day.

use std::sync::Arc;

use exports_database::{Created, Deleted, NewExport};
use exports_domain::{Choice, ExportId, ExportStatus, MessageStatus};
use exports_tests::{ExportRow, TestDatabase};
use serde_json::json;
use tokio::sync::Barrier;

use crate::support::{PROJECT, database, new_export, project};

/// The same request with the same key; each call has a new id.
fn request(key: &str) -> NewExport {
    NewExport {
        idempotency_key: Some(key.to_owned()),
        traceparent: None,
        limits: exports_database::CreateLimits::default(),
        ..new_export()
    }
}

async fn exports(database: &TestDatabase) -> serde_json::Value {
    database.value("SELECT count(*) FROM exports").await
}

#[tokio::test]
async fn a_repeated_request_returns_the_first_export_in_its_current_state() {
    let database = database().await;
    let storage = database.storage();
    let first = request("k-1");
    let Created::New(created) = storage.create_export(&first).await.unwrap() else {
        panic!("the export is new")
    };
    let repeated = storage.create_export(&request("k-1")).await.unwrap();
    assert_eq!(repeated, Created::Replayed(created));

    // A worker claims the export.
    let claimed = crate::support::claim(&storage).await.unwrap();
    assert_eq!(claimed.lease.export, first.id);
    let Created::Replayed(now) = storage.create_export(&request("k-1")).await.unwrap() else {
        panic!("the request is a replay")
    };
    assert_eq!(now.id, first.id);
    assert_eq!(now.state.status(), ExportStatus::Processing);
    assert_eq!(exports(&database).await, json!(1));
}

#[tokio::test]
async fn the_same_key_with_another_request_is_a_mismatch() {
    let database = database().await;
    let storage = database.storage();
    storage.create_export(&request("k-1")).await.unwrap();
    let mut other = request("k-1");
    other.filter.status = Choice::One(MessageStatus::Queued);
    assert_eq!(
        storage.create_export(&other).await.unwrap(),
        Created::Mismatch
    );
    assert_eq!(exports(&database).await, json!(1));
}

#[tokio::test]
async fn keys_are_compared_exactly_and_per_project() {
    let database = database().await;
    let storage = database.storage();
    database.project("proj_b").await;
    for key in ["k-1", "K-1", "k-1.", "~", "!"] {
        let created = storage.create_export(&request(key)).await.unwrap();
        assert!(matches!(created, Created::New(_)), "{key}");
    }
    let mut theirs = request("k-1");
    theirs.project = "proj_b".parse().unwrap();
    let created = storage.create_export(&theirs).await.unwrap();
    assert!(matches!(created, Created::New(_)));
}

#[tokio::test]
async fn requests_without_a_key_always_create_an_export() {
    let database = database().await;
    let storage = database.storage();
    for _ in 0..3 {
        let created = storage.create_export(&new_export()).await.unwrap();
        assert!(matches!(created, Created::New(_)));
    }
    assert_eq!(exports(&database).await, json!(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_equal_requests_create_one_export() {
    let database = database().await;
    let storage = database.storage();
    for round in 0..10 {
        let start = Arc::new(Barrier::new(16));
        let tries: Vec<_> = (0..16)
            .map(|_| {
                let (storage, start) = (storage.clone(), start.clone());
                tokio::spawn(async move {
                    let request = request(&format!("k-{round}"));
                    start.wait().await;
                    (request.id, storage.create_export(&request).await.unwrap())
                })
            })
            .collect();
        let mut new = Vec::new();
        let mut replayed = Vec::new();
        for each in tries {
            match each.await.unwrap() {
                (id, Created::New(export)) => {
                    assert_eq!(export.id, id);
                    new.push(id);
                }
                (_, Created::Replayed(export)) => replayed.push(export.id),
                (_, outcome @ (Created::Mismatch | Created::Exceeded(_))) => panic!("{outcome:?}"),
            }
        }
        assert_eq!((new.len(), replayed.len()), (1, 15));
        assert!(replayed.iter().all(|id| *id == new[0]));
    }
    assert_eq!(exports(&database).await, json!(10));
}

#[tokio::test]
async fn a_key_can_be_reused_after_a_day_before_a_sweep() {
    let database = database().await;
    let storage = database.storage();
    let row = |minutes: i64| {
        ExportRow::of(PROJECT, ExportStatus::Failed)
            .with("idempotency_key", format!("k-{minutes}"))
            .with_ago("created_at", chrono::TimeDelta::minutes(minutes))
            .with("started_at", serde_json::Value::Null)
    };
    let day = 24 * 60;
    let old = row(day).insert(database.pool()).await;
    let young = row(day - 1).insert(database.pool()).await;

    let created = storage.create_export(&request(&format!("k-{day}"))).await;
    assert!(matches!(created.unwrap(), Created::New(_)));
    assert!(
        database
            .export_column(old, "idempotency_key")
            .await
            .is_null()
    );

    let mut again = request(&format!("k-{}", day - 1));
    again.filter = storage
        .get_export(&project(), ExportId(young))
        .await
        .unwrap()
        .unwrap()
        .filter;
    let Created::Replayed(export) = storage.create_export(&again).await.unwrap() else {
        panic!("the key is valid for another minute")
    };
    assert_eq!(export.id.0, young);
}

#[tokio::test]
async fn find_replay_finds_an_export_without_creating_one() {
    let database = database().await;
    let storage = database.storage();
    let look = async |new: &NewExport| storage.find_replay(new).await.unwrap();
    assert_eq!(look(&new_export()).await, None, "without a key");
    assert_eq!(look(&request("k-1")).await, None, "an unused key");

    let Created::New(first) = storage.create_export(&request("k-1")).await.unwrap() else {
        panic!("the export is new")
    };
    assert_eq!(look(&request("k-1")).await, Some(Created::Replayed(first)));
    let mut other = request("k-1");
    other.filter.status = Choice::One(MessageStatus::Queued);
    assert_eq!(look(&other).await, Some(Created::Mismatch));
    other.project = database.project("proj_b").await;
    assert_eq!(look(&other).await, None, "of another project");

    database
        .execute("UPDATE exports SET created_at = clock_timestamp() - interval '24 hours'")
        .await;
    assert_eq!(look(&request("k-1")).await, None, "a day later");
    assert_eq!(exports(&database).await, json!(1));
}

#[tokio::test]
async fn a_key_can_be_reused_after_its_export_is_deleted() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, ExportStatus::Completed).with("idempotency_key", "k-1");
    let id = ExportId(row.insert(database.pool()).await);
    let deleted = storage.delete_export(&project(), id).await.unwrap();
    assert!(matches!(deleted, Deleted::Gone { .. }));
    let created = storage.create_export(&request("k-1")).await.unwrap();
    assert!(matches!(created, Created::New(_)));
}

#[tokio::test]
async fn a_create_with_the_same_id_creates_one_export() {
    let database = database().await;
    let storage = database.storage();
    for new in [new_export(), request("k-1")] {
        let first = storage.create_export(&new).await.unwrap();
        assert!(matches!(first, Created::New(_)));
        // A repeat after a lost response has the same id, so it is the same request.
        assert_eq!(storage.create_export(&new).await.unwrap(), first);
    }
    assert_eq!(exports(&database).await, json!(2));
}
