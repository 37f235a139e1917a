//! The object store fails, for a while or for good.

use exports_domain::FailureCode;
use exports_tests::StoreKind;
use exports_tests::s3::{Fault, Kind, Reply};

use super::{RefusingStore, tells_only_what_to_do};
use crate::rows::put_large;
use crate::workshop::{Workshop, on_every_bucket, on_every_store};

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
        on_every_bucket(async |shop| {
            let _worker = shop.worker(&[]);
            let expected = put_large(&shop.database, 120).await;
            let is_of_the_upload = |kind| {
                matches!(
                    kind,
                    Kind::CreateUpload | Kind::PutPart | Kind::CompleteUpload
                )
            };
            let overloaded = shop
                .s3()
                .inject(move |seen| is_of_the_upload(seen.kind), fault);
            let id = shop.ask_for_all().await;
            overloaded.reached(2).await;
            drop(overloaded);

            assert!(shop.file(id).await == expected);
            assert_eq!(shop.export(id).await.attempt, 1);
            shop.holds_only(&[id]).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_for_a_while_costs_attempts() {
    on_every_store(async |shop| {
        let mut worker = shop.worker(&[]);
        worker.wait_for_event("worker started").await;
        shop.put_one().await;
        let refusing = RefusingStore::of(shop);
        let id = shop.ask_for_all().await;
        worker.wait_for_line("the attempt failed").await;
        shop.column_is(id, "status", "pending").await;
        let reason = shop.database.export_column(id.0, "attempt_error").await;
        assert!(
            reason.as_str().is_some_and(|reason| !reason.is_empty()),
            "operators read why"
        );
        drop(refusing);

        shop.file(id).await;
        let attempt = shop.export(id).await.attempt;
        assert!(attempt >= 2, "attempt {attempt}");
        assert!(
            shop.database
                .export_column(id.0, "attempt_error")
                .await
                .is_null()
        );
        shop.holds_only(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_always_refuses_fails_the_export_with_words_for_the_consumer() {
    on_every_store(async |shop| {
        let mut worker = shop.worker(&[("EXPORTS_MAX_ATTEMPTS", "2")]);
        worker.wait_for_event("worker started").await;
        shop.put_one().await;
        let refusing = RefusingStore::of(shop);
        let id = shop.ask_for_all().await;

        let failure = shop.failed(id).await;

        assert_eq!(failure.code, FailureCode::StorageUnavailable);
        tells_only_what_to_do(shop, &failure);
        assert_eq!(shop.export(id).await.attempt, 2);
        drop(refusing);
        shop.holds_nothing().await;
        let left = "SELECT count(*) FROM export_objects WHERE state <> 'doomed'";
        assert_eq!(shop.database.value(left).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_refused_takes_the_upload_with_it() {
    on_every_bucket(async |shop| {
        let _worker = shop.worker(&[("EXPORTS_MAX_ATTEMPTS", "1")]);
        put_large(&shop.database, 120).await;
        let refusing = shop
            .s3()
            .inject(|seen| seen.kind == Kind::PutPart, Fault::Answer(403));
        let id = shop.ask_for_all().await;

        assert_eq!(shop.failed(id).await.code, FailureCode::StorageUnavailable);
        assert!(refusing.hits() > 0);
        shop.holds_nothing().await;
    })
    .await;
}

/// As where a volume is no longer mounted.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_vanishes_is_waited_for_and_not_made_again() {
    let shop = Workshop::open(StoreKind::File).await;
    let folder = shop.folder().expect("the store is a folder").to_owned();
    let mut worker = shop.worker(&[]);
    worker.wait_for_event("worker started").await;
    shop.put_one().await;
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).expect("the folder moves away");
    let id = shop.ask_for_all().await;
    worker.wait_for_line("the attempt failed").await;
    shop.column_is(id, "status", "pending").await;
    let reason = shop.database.export_column(id.0, "attempt_error").await;
    let reason = reason.as_str().expect("a reason");
    assert!(reason.contains("is missing: mount its volume"), "{reason}");
    assert!(!folder.exists(), "it was made again");
    std::fs::rename(&away, &folder).expect("it comes back");

    shop.file(id).await;
    shop.holds_only(&[id]).await;
}
