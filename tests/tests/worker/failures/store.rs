//! The object store fails, temporarily or permanently.

use exports_domain::FailureCode;
use exports_tests::StoreKind;
use exports_tests::s3::{Fault, Kind, Reply};

use super::{RefusingStore, tells_only_what_to_do};
use crate::rows::put_large;
use crate::support::{Fixture, on_every_bucket, on_every_store};

#[tokio::test(flavor = "multi_thread")]
async fn transient_store_errors_are_retried_within_the_attempt() {
    let reply = |status, code| {
        Fault::Reply(Reply {
            status,
            code,
            ..Reply::default()
        })
    };
    for fault in [
        Fault::Answer(503),
        Fault::Answer(429),
        reply(400, "RequestTimeout"),
        reply(409, "OperationAborted"),
        reply(200, "InternalError"),
    ] {
        on_every_bucket(async |fixture| {
            let _worker = fixture.start_worker(&[]);
            let expected = put_large(fixture.database(), 120).await;
            let is_of_the_upload = |kind| {
                matches!(
                    kind,
                    Kind::CreateUpload | Kind::PutPart | Kind::CompleteUpload
                )
            };
            let overloaded = fixture
                .s3()
                .inject(move |seen| is_of_the_upload(seen.kind), fault);
            let id = fixture.queue_full_export().await;
            overloaded.reached(2).await;
            drop(overloaded);

            assert!(fixture.read_file(id).await == expected);
            assert_eq!(fixture.export(id).await.attempt, 1);
            fixture.wait_for_files_of(&[id]).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_retried_while_the_store_rejects_writes() {
    on_every_store(async |fixture| {
        let mut worker = fixture.start_worker(&[]);
        worker.wait_for_event("worker started").await;
        fixture.insert_one_message().await;
        let refusing = RefusingStore::of(fixture);
        let id = fixture.queue_full_export().await;
        worker.wait_for_line("the attempt failed").await;
        fixture.wait_for_column(id, "status", "pending").await;
        let reason = fixture
            .database()
            .export_column(id.0, "attempt_error")
            .await;
        assert!(
            reason.as_str().is_some_and(|reason| !reason.is_empty()),
            "operators can read the reason"
        );
        drop(refusing);

        fixture.read_file(id).await;
        let attempt = fixture.export(id).await.attempt;
        assert!(attempt >= 2, "attempt {attempt}");
        assert!(
            fixture
                .database()
                .export_column(id.0, "attempt_error")
                .await
                .is_null()
        );
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_always_rejects_writes_fails_the_export_with_a_consumer_message() {
    on_every_store(async |fixture| {
        let mut worker = fixture.start_worker(&[("EXPORTS_MAX_ATTEMPTS", "2")]);
        worker.wait_for_event("worker started").await;
        fixture.insert_one_message().await;
        let refusing = RefusingStore::of(fixture);
        let id = fixture.queue_full_export().await;

        let failure = fixture.wait_until_failed(id).await;

        assert_eq!(failure.code, FailureCode::StorageUnavailable);
        tells_only_what_to_do(fixture, &failure);
        assert_eq!(fixture.export(id).await.attempt, 2);
        drop(refusing);
        fixture.wait_for_empty_store().await;
        let left = "SELECT count(*) FROM export_objects WHERE state <> 'doomed'";
        assert_eq!(fixture.database().value(left).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_part_aborts_the_upload() {
    on_every_bucket(async |fixture| {
        let _worker = fixture.start_worker(&[("EXPORTS_MAX_ATTEMPTS", "1")]);
        put_large(fixture.database(), 120).await;
        let refusing = fixture
            .s3()
            .inject(|seen| seen.kind == Kind::PutPart, Fault::Answer(403));
        let id = fixture.queue_full_export().await;

        assert_eq!(
            fixture.wait_until_failed(id).await.code,
            FailureCode::StorageUnavailable
        );
        assert!(refusing.hits() > 0);
        fixture.wait_for_empty_store().await;
    })
    .await;
}

/// Simulates an unmounted volume.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_store_folder_is_awaited_and_not_recreated() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let folder = fixture
        .store_folder()
        .expect("the store is a folder")
        .to_owned();
    let mut worker = fixture.start_worker(&[]);
    worker.wait_for_event("worker started").await;
    fixture.insert_one_message().await;
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).expect("the folder is moved away");
    let id = fixture.queue_full_export().await;
    worker.wait_for_line("the attempt failed").await;
    fixture.wait_for_column(id, "status", "pending").await;
    let reason = fixture
        .database()
        .export_column(id.0, "attempt_error")
        .await;
    let reason = reason.as_str().expect("a reason");
    assert!(reason.contains("is missing: mount its volume"), "{reason}");
    assert!(!folder.exists(), "the worker recreated the folder");
    std::fs::rename(&away, &folder).expect("the folder is moved back");

    fixture.read_file(id).await;
    fixture.wait_for_files_of(&[id]).await;
}
