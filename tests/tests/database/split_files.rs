//! Exports that are split: one row for all objects while an attempt runs, and a row for each after it.

use exports_database::{Claim, Database, FinishedFile, Leased, Program, file_key};
use exports_domain::{ExportState, SplitFile};
use exports_postgres::PoolPurpose;
use exports_tests::TestDatabase;
use serde_json::{Value, json};
use sqlx::Row;

use crate::roles::role;
use crate::support::{
    PROJECT, backdate, claim, database, failure, finished_file, objects, project, queue,
};

/// An attempt that writes its third file.
async fn writing() -> (TestDatabase, Database, Claim) {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let claim = claim(&storage).await.unwrap();
    let (lease, key) = (claim.lease, &claim.object_key);
    for number in [2, 3, 3] {
        let recorded = storage.record_upload(lease, key, "upload-1").await;
        assert_eq!(recorded.unwrap(), Leased::Held(()));
        let recorded = storage.record_file(lease, key, number).await;
        assert_eq!(recorded.unwrap(), Leased::Held(()));
    }
    assert_eq!(
        objects(&database, lease.export.0).await,
        [object(key, "writing", None)],
        "the upload of a finished file has ended"
    );
    let recorded = storage.record_upload(lease, key, "upload-3").await;
    assert_eq!(recorded.unwrap(), Leased::Held(()));
    (database, storage, claim)
}

fn object(key: &str, state: &str, upload: Option<&str>) -> Value {
    let due = (state == "doomed").then_some(true);
    json!({"key": key, "state": state, "upload_id": upload, "sweeps_left": 2, "due": due})
}

/// The three objects of an attempt that has ended.
fn ended(claim: &Claim, state: &str) -> Vec<Value> {
    let key = |number| file_key(&claim.object_key, number);
    // Only the upload of the last file can be unfinished.
    let upload = (state == "doomed").then_some("upload-3");
    let mut objects = [
        object(&key(1), state, None),
        object(&key(2), state, None),
        object(&key(3), state, upload),
    ];
    objects.sort_by_key(|object| object["key"].to_string());
    objects.to_vec()
}

async fn sorted_objects(database: &TestDatabase, claim: &Claim) -> Vec<Value> {
    let mut found = objects(database, claim.lease.export.0).await;
    found.sort_by_key(|object| object["key"].to_string());
    found
}

fn finished() -> FinishedFile {
    let file = |rows| SplitFile {
        row_count: rows,
        size_bytes: rows * 200,
        sha256: [u8::try_from(rows % 200).unwrap(); 32],
    };
    FinishedFile {
        row_count: 2_007,
        size_bytes: 401_400,
        files: Some([file(1_000), file(1_000), file(7)].into()),
        ..finished_file()
    }
}

#[tokio::test]
async fn every_end_of_an_attempt_marks_all_its_objects_for_deletion() {
    for end in [
        "fail",
        "retry",
        "release",
        "cancel",
        "takeover",
        "exhausted",
    ] {
        let (database, storage, claimed) = writing().await;
        let (lease, id) = (claimed.lease, claimed.lease.export);
        match end {
            "fail" => {
                let failed = storage.fail(lease, &failure(), "why").await;
                assert_eq!(failed.unwrap(), Leased::Held(()));
            }
            "retry" => {
                let pause = std::time::Duration::from_mins(1);
                let retried = storage.retry(lease, pause, "why").await;
                assert_eq!(retried.unwrap(), Leased::Held(()));
            }
            "release" => {
                let released = storage.release(lease).await;
                assert_eq!(released.unwrap(), Leased::Held(()));
            }
            "cancel" => drop(storage.cancel_export(&project(), id, "why").await.unwrap()),
            "takeover" => {
                backdate(&database, id.0, "lease_expires_at").await;
                let next = claim(&storage).await.unwrap();
                database
                    .execute(format!(
                        "DELETE FROM export_objects WHERE key = '{}'",
                        next.object_key
                    ))
                    .await;
            }
            _ => {
                backdate(&database, id.0, "lease_expires_at").await;
                let failed = storage.fail_exhausted(1, &failure(), 10).await.unwrap();
                assert_eq!(failed, [id]);
            }
        }
        let found = sorted_objects(&database, &claimed).await;
        assert_eq!(found, ended(&claimed, "doomed"), "{end}");
        let late = storage.record_file(lease, &claimed.object_key, 4).await;
        assert_eq!(late.unwrap(), Leased::Lost, "{end}");
    }
}

#[tokio::test]
async fn the_role_of_the_api_cancels_an_export_with_several_files() {
    let (database, _, claimed) = writing().await;
    let (_, url) = role(&database, Program::Api).await;
    let api = Database::new(&url, PoolPurpose::Api).unwrap();
    let id = claimed.lease.export;
    drop(api.cancel_export(&project(), id, "why").await.unwrap());
    let found = sorted_objects(&database, &claimed).await;
    assert_eq!(found, ended(&claimed, "doomed"));
}

#[tokio::test]
async fn a_completion_keeps_all_objects_and_can_be_repeated() {
    let (database, storage, claimed) = writing().await;
    let files = finished();
    for _ in 0..2 {
        let done = storage.complete(claimed.lease, &claimed.object_key, &files);
        assert!(matches!(done.await.unwrap(), Leased::Held(_)));
        let found = sorted_objects(&database, &claimed).await;
        assert_eq!(found, ended(&claimed, "kept"));
    }
    let export = storage.get_export(&project(), claimed.lease.export).await;
    let ExportState::Completed(file) = export.unwrap().unwrap().state else {
        panic!("it is completed")
    };
    assert_eq!(file.files, files.files);
    let expected = storage.expected_files(None, 10).await.unwrap();
    let expected: Vec<_> = expected
        .into_iter()
        .map(|file| (file.object_key, file.first_key, file.size_bytes))
        .collect();
    let first = &claimed.object_key;
    let file = |number, bytes| (file_key(first, number), first.clone(), bytes);
    assert_eq!(
        expected,
        [file(1, 200_000), file(2, 200_000), file(3, 1_400)]
    );
}

#[tokio::test]
async fn a_file_of_an_expired_lease_is_not_recorded() {
    let (database, storage, claimed) = writing().await;
    backdate(&database, claimed.lease.export.0, "lease_expires_at").await;
    let late = storage
        .record_file(claimed.lease, &claimed.object_key, 4)
        .await;
    assert_eq!(late.unwrap(), Leased::Lost);
}

#[tokio::test]
async fn the_database_makes_the_same_keys() {
    let database = database().await;
    for first in [
        "proj_a/01935abc/1-0193.csv",
        "proj_a.b/01935abc/12-0193.csv.gz",
        "proj_a/01935abc/1-0193.jsonl.zst",
        "proj_a/01935abc/1-0193.parquet",
    ] {
        for number in [1, 2, 999, 10_000] {
            let made = sqlx::query("SELECT exports_file_key($1, $2)")
                .bind(first)
                .bind(i32::try_from(number).unwrap())
                .fetch_one(database.pool())
                .await
                .unwrap();
            assert_eq!(made.get::<String, _>(0), file_key(first, number));
        }
    }
}
