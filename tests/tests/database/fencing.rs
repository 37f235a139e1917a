//! Lease tokens: a worker with an expired lease cannot change anything.

use std::time::Duration;

use exports_database::{Database, Leased, Progress};
use exports_domain::ExportStatus::Processing;
use exports_domain::{Lease, LeaseToken};
use exports_tests::{ExportRow, TestDatabase};
use uuid::Uuid;

use crate::support::{LEASE, PROJECT, backdate, claim, database, failure, finished_file, queue};

/// Makes every call that takes a lease. Each is rejected, and no row changes.
async fn assert_lost(database: &TestDatabase, storage: &Database, lease: Lease, key: &str) {
    let before = everything(database).await;
    let minute = Duration::from_mins(1);
    let answers = [
        (
            "heartbeat",
            storage.heartbeat(lease, LEASE, Progress::default()).await,
        ),
        (
            "record_upload",
            storage.record_upload(lease, key, "upload-1").await,
        ),
        ("record_file", storage.record_file(lease, key, 2).await),
        ("fail", storage.fail(lease, &failure(), "why").await),
        ("retry", storage.retry(lease, minute, "why").await),
        ("release", storage.release(lease).await),
    ];
    for (call, answer) in answers {
        assert_eq!(answer.unwrap(), Leased::Lost, "{call}");
    }
    let completed = storage
        .complete(lease, key, &finished_file())
        .await
        .unwrap();
    assert_eq!(completed, Leased::Lost);
    assert_eq!(everything(database).await, before);
}

async fn everything(database: &TestDatabase) -> Vec<serde_json::Value> {
    let mut rows = database.rows("SELECT * FROM exports ORDER BY id").await;
    let objects = database.rows("SELECT * FROM export_objects ORDER BY key");
    rows.extend(objects.await);
    rows
}

#[tokio::test]
async fn an_expired_lease_is_rejected_before_a_takeover() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let claimed = claim(&storage).await.unwrap();
    backdate(&database, id, "lease_expires_at").await;
    assert_lost(&database, &storage, claimed.lease, &claimed.object_key).await;
}

#[tokio::test]
async fn a_lease_is_rejected_after_a_takeover() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let stale = claim(&storage).await.unwrap();
    backdate(&database, id, "lease_expires_at").await;
    let fresh = claim(&storage).await.unwrap();
    assert_lost(&database, &storage, stale.lease, &stale.object_key).await;
    // The object of the current lease is rejected as well.
    assert_lost(&database, &storage, stale.lease, &fresh.object_key).await;
    let held = storage
        .heartbeat(fresh.lease, LEASE, Progress::default())
        .await
        .unwrap();
    assert_eq!(held, Leased::Held(()));
}

#[tokio::test]
async fn a_lease_is_rejected_after_a_release_or_a_retry() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let released = claim(&storage).await.unwrap();
    assert_eq!(
        storage.release(released.lease).await.unwrap(),
        Leased::Held(())
    );
    assert_lost(&database, &storage, released.lease, &released.object_key).await;

    // The same worker and attempt number, with a new token.
    let again = claim(&storage).await.unwrap();
    assert_eq!(again.attempt, released.attempt);
    assert_lost(&database, &storage, released.lease, &released.object_key).await;

    let retried = storage.retry(again.lease, Duration::ZERO, "why").await;
    assert_eq!(retried.unwrap(), Leased::Held(()));
    assert_lost(&database, &storage, again.lease, &again.object_key).await;
}

#[tokio::test]
async fn a_lease_is_rejected_after_its_export_failed() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let claimed = claim(&storage).await.unwrap();
    let failed = storage.fail(claimed.lease, &failure(), "why").await;
    assert_eq!(failed.unwrap(), Leased::Held(()));
    assert_lost(&database, &storage, claimed.lease, &claimed.object_key).await;
}

#[tokio::test]
async fn a_lease_is_rejected_after_its_export_is_deleted() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Processing);
    let id = row.insert_with_object(database.pool(), "writing").await;
    database
        .execute(format!("DELETE FROM exports WHERE id = '{id}'"))
        .await;
    assert_lost(&database, &storage, row.lease(), &row.object_key()).await;
}

#[tokio::test]
async fn a_wrong_token_and_the_token_of_another_export_are_rejected() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 2).await;
    let one = claim(&storage).await.unwrap();
    let other = claim(&storage).await.unwrap();
    for token in [LeaseToken(Uuid::nil()), other.lease.token] {
        let lease = Lease {
            export: one.lease.export,
            token,
        };
        assert_lost(&database, &storage, lease, &one.object_key).await;
    }
}

#[tokio::test]
async fn a_repeated_completion_returns_the_first_result() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let claimed = claim(&storage).await.unwrap();
    let complete = async || {
        storage
            .complete(claimed.lease, &claimed.object_key, &finished_file())
            .await
            .unwrap()
    };
    let first = complete().await;
    assert!(matches!(first, Leased::Held(_)));
    let row = database.export_row(id).await;
    assert_eq!(complete().await, first, "the same expiry");
    assert_eq!(database.export_row(id).await, row);

    let elsewhere = storage
        .complete(claimed.lease, "proj_a/x/1-y.csv", &finished_file())
        .await;
    assert_eq!(elsewhere.unwrap(), Leased::Lost, "another object key");
    let stranger = Lease {
        token: LeaseToken(Uuid::nil()),
        ..claimed.lease
    };
    let strange = storage
        .complete(stranger, &claimed.object_key, &finished_file())
        .await;
    assert_eq!(strange.unwrap(), Leased::Lost, "another lease token");
}
