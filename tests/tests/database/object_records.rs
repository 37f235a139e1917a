//! `export_objects`: every key is recorded before its object is written. The result of an attempt decides whether its object is
//! kept or deleted.

use std::time::Duration;

use exports_database::{Claim, Database, Leased};
use exports_tests::TestDatabase;
use serde_json::{Value, json};

use crate::support::{
    PROJECT, backdate, claim, database, failure, finished_file, object_state, objects, queue,
};

async fn claimed() -> (TestDatabase, Database, Claim) {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let claim = claim(&storage).await.unwrap();
    (database, storage, claim)
}

fn doomed(key: &str, upload: Option<&str>) -> Value {
    json!({"key": key, "state": "doomed", "upload_id": upload, "sweeps_left": 2, "due": true})
}

#[tokio::test]
async fn a_claim_records_its_object_before_it_is_written() {
    let (database, _, claim) = claimed().await;
    let recorded = objects(&database, claim.lease.export.0).await;
    assert_eq!(
        recorded,
        [
            json!({"key": claim.object_key, "state": "writing", "upload_id": null, "sweeps_left": 2, "due": null})
        ]
    );
}

#[tokio::test]
async fn an_upload_is_recorded_with_its_object() {
    let (database, storage, claim) = claimed().await;
    let (lease, key) = (claim.lease, &claim.object_key);
    let recorded = storage.record_upload(lease, key, "upload-1").await;
    assert_eq!(recorded.unwrap(), Leased::Held(()));
    assert_eq!(
        objects(&database, lease.export.0).await[0]["upload_id"],
        "upload-1"
    );
    // An object of another export is rejected.
    let other = storage.record_upload(lease, "proj_a/x/1-y.csv", "upload-2");
    assert_eq!(other.await.unwrap(), Leased::Lost);
}

#[tokio::test]
async fn a_takeover_marks_the_object_of_the_previous_attempt_for_deletion() {
    let (database, storage, first) = claimed().await;
    let id = first.lease.export.0;
    let recorded = storage
        .record_upload(first.lease, &first.object_key, "upload-1")
        .await;
    assert_eq!(recorded.unwrap(), Leased::Held(()));
    backdate(&database, id, "lease_expires_at").await;
    let second = claim(&storage).await.unwrap();
    let recorded = objects(&database, id).await;
    assert_eq!(recorded.len(), 2);
    assert!(recorded.contains(&doomed(&first.object_key, Some("upload-1"))));
    assert_eq!(object_state(&database, &second.object_key).await, "writing");
}

#[tokio::test]
async fn a_retry_a_release_and_a_failure_mark_the_object_for_deletion() {
    for ending in ["retry", "release", "fail"] {
        let (database, storage, claim) = claimed().await;
        let lease = claim.lease;
        let ended = match ending {
            "retry" => storage.retry(lease, Duration::from_mins(1), "why").await,
            "release" => storage.release(lease).await,
            _ => storage.fail(lease, &failure(), "why").await,
        };
        assert_eq!(ended.unwrap(), Leased::Held(()));
        let recorded = objects(&database, lease.export.0).await;
        assert_eq!(recorded, [doomed(&claim.object_key, None)], "{ending}");
    }
}

#[tokio::test]
async fn a_completion_keeps_only_its_own_object() {
    let (database, storage, first) = claimed().await;
    let id = first.lease.export.0;
    backdate(&database, id, "lease_expires_at").await;
    let second = claim(&storage).await.unwrap();
    let recorded = storage
        .record_upload(second.lease, &second.object_key, "upload-2")
        .await;
    assert_eq!(recorded.unwrap(), Leased::Held(()));
    let completed = storage
        .complete(second.lease, &second.object_key, &finished_file())
        .await;
    assert!(matches!(completed.unwrap(), Leased::Held(_)));

    let recorded = objects(&database, id).await;
    assert_eq!(recorded.len(), 2);
    assert!(recorded.contains(&doomed(&first.object_key, None)));
    assert!(recorded.contains(&json!({
        "key": second.object_key, "state": "kept", "upload_id": null, "sweeps_left": 2, "due": null
    })));
    assert_eq!(
        database.export_column(id, "object_key").await,
        json!(second.object_key)
    );
}

#[tokio::test]
async fn a_failure_stores_its_code_message_and_attempt_error() {
    let (database, storage, claim) = claimed().await;
    let reason = "the store answered 403";
    let failed = storage.fail(claim.lease, &failure(), reason).await;
    assert_eq!(failed.unwrap(), Leased::Held(()));
    let row = &database
        .rows("SELECT status, error_code, error_message, attempt_error, started_at IS NOT NULL AS ran, lease_owner FROM exports")
        .await[0];
    assert_eq!(
        *row,
        json!({
            "status": "failed", "error_code": failure().code.as_str(), "error_message": failure().message,
            "attempt_error": reason, "ran": true, "lease_owner": null
        })
    );
}
