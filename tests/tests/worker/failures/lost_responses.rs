//! A lost response: the worker cannot know whether the request was executed. The export is completed once, and its file is kept.

use std::time::Duration;

use exports_tests::s3::{Fault, Kind};
use exports_tests::{Loss, Proxy, eventually};

use crate::rows::put_large;
use crate::support::{Fixture, Worker, on_every_bucket, on_every_store};

/// The prefix of the object key. If the file is stored with a single PUT, only the last request to the database contains it: the one
/// that completes the export.
const KEY: &str = "proj_abc123/";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_survives_lost_responses_to_put() {
    on_every_bucket(async |fixture| {
        fixture.insert_one_message().await;
        assert_export_survives_lost_store_responses(fixture, Kind::Put).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_survives_lost_responses_to_upload_part() {
    on_every_bucket(async |fixture| {
        put_large(fixture.database(), 120).await;
        assert_export_survives_lost_store_responses(fixture, Kind::PutPart).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_survives_lost_responses_to_complete_upload() {
    on_every_bucket(async |fixture| {
        put_large(fixture.database(), 120).await;
        assert_export_survives_lost_store_responses(fixture, Kind::CompleteUpload).await;
    })
    .await;
}

async fn assert_export_survives_lost_store_responses(fixture: &Fixture, kind: Kind) {
    let _worker = fixture.start_worker(&[]);
    let lost = fixture
        .s3()
        .inject(move |seen| seen.kind == kind, Fault::LoseAnswer);
    let id = fixture.queue_full_export().await;
    fixture.read_file(id).await;
    assert!(lost.hits() > 1, "the request is repeated");
    assert_stays_completed(fixture, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_survives_a_lost_database_response_to_its_completion() {
    on_every_store(async |fixture| survives_a_lost_completion(fixture, Loss::Reply).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_survives_a_lost_completion_request_to_the_database() {
    on_every_store(async |fixture| survives_a_lost_completion(fixture, Loss::Request).await).await;
}

async fn survives_a_lost_completion(fixture: &Fixture, loss: Loss) {
    fixture.insert_one_message().await;
    let (_worker, database) = worker_and_its_database(fixture).await;
    database.lose_at(loss, KEY);
    let id = fixture.queue_full_export().await;

    fixture.read_file(id).await;

    assert_eq!(database.lost(), 1);
    assert_stays_completed(fixture, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_export_is_kept_when_no_response_arrives_before_the_lease_expires() {
    on_every_store(async |fixture| {
        fixture.insert_one_message().await;
        let (mut worker, database) = worker_and_its_database(fixture).await;
        // More losses than the worker has connections. It cannot open new ones.
        for _ in 0..20 {
            database.lose_at(Loss::Reply, KEY);
        }
        let (fixture, proxy) = (&fixture, &database);
        let id = fixture.queue_full_export().await;
        eventually(
            "the first response is lost",
            Duration::from_secs(30),
            async || (proxy.lost() > 0).then_some(()),
        )
        .await;
        proxy.refuse();
        worker
            .wait_for_line("it is unknown whether the export is completed")
            .await;
        proxy.restore();

        fixture.read_file(id).await;
        assert_stays_completed(fixture, id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_retried_when_no_completion_arrives_before_the_lease_expires() {
    on_every_store(async |fixture| {
        fixture.insert_one_message().await;
        let (mut worker, database) = worker_and_its_database(fixture).await;
        // The connection is cut before the request arrives, and so are all later ones.
        database.lose_at(Loss::Request, KEY);
        let id = fixture.queue_full_export().await;
        eventually(
            "the first request is lost",
            Duration::from_secs(30),
            async || (database.lost() > 0).then_some(()),
        )
        .await;
        database.make_unavailable();
        worker
            .wait_for_line("it is unknown whether the export is completed")
            .await;
        database.restore();

        fixture.read_file(id).await;
        let attempt = fixture.export(id).await.attempt;
        assert!(attempt == 2, "attempt {attempt}");
        // The file of the first attempt is deleted.
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}

/// A worker whose connections to the service database go through a proxy, and those to the source do not.
async fn worker_and_its_database(fixture: &Fixture) -> (Worker, Proxy) {
    let database = Proxy::to_postgres(fixture.database().url()).await;
    let mut worker = fixture.start_worker(&[
        ("DATABASE_URL", &database.url(fixture.database().url())),
        ("EXPORTS_SOURCE_DATABASE_URL", fixture.database().url()),
        ("EXPORTS_LEASE", "2s"),
    ]);
    worker.wait_for_event("worker started").await;
    (worker, database)
}

/// Fails unless the first attempt completed the export and its file is kept.
async fn assert_stays_completed(fixture: &Fixture, id: exports_domain::ExportId) {
    assert_eq!(fixture.export(id).await.attempt, 1);
    let objects = "SELECT state FROM export_objects";
    assert_eq!(fixture.database().value(objects).await, "kept");
    fixture.wait_for_files_of(&[id]).await;
}
