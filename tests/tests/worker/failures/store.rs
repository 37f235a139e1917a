//! The object store fails, temporarily or permanently.

use exports_domain::FailureCode;
use exports_tests::StoreKind;
use exports_tests::s3::{Fault, Kind, Reply};

use super::{RefusingStore, tells_only_what_to_do};
use crate::rows::put_large;
use crate::support::{Fixture, on_every_bucket, on_every_store};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_overloaded_for_a_moment_costs_no_attempt() {
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
async fn a_store_that_refuses_for_a_while_costs_attempts() {
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
            "operators read why"
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
async fn a_store_that_always_refuses_fails_the_export_with_words_for_the_consumer() {
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
async fn a_part_that_is_refused_takes_the_upload_with_it() {
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

/// As where a volume is no longer mounted.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_vanishes_is_waited_for_and_not_made_again() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let folder = fixture
        .store_folder()
        .expect("the store is a folder")
        .to_owned();
    let mut worker = fixture.start_worker(&[]);
    worker.wait_for_event("worker started").await;
    fixture.insert_one_message().await;
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).expect("the folder moves away");
    let id = fixture.queue_full_export().await;
    worker.wait_for_line("the attempt failed").await;
    fixture.wait_for_column(id, "status", "pending").await;
    let reason = fixture
        .database()
        .export_column(id.0, "attempt_error")
        .await;
    let reason = reason.as_str().expect("a reason");
    assert!(reason.contains("is missing: mount its volume"), "{reason}");
    assert!(!folder.exists(), "it was made again");
    std::fs::rename(&away, &folder).expect("it comes back");

    fixture.read_file(id).await;
    fixture.wait_for_files_of(&[id]).await;
}
