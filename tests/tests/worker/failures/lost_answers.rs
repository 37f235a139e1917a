//! A lost response: the worker cannot know whether the request was executed. The export is completed once, and its file stays.

use std::time::Duration;

use exports_tests::s3::{Fault, Kind};
use exports_tests::{Loss, Proxy, eventually};

use crate::rows::put_large;
use crate::support::{Fixture, Worker, on_every_bucket, on_every_store};

/// In requests to the database this is the beginning of the object's key: of the ones that a
/// single PUT needs, only the last has it, the one that completes the export.
const KEY: &str = "proj_abc123/";

#[tokio::test(flavor = "multi_thread")]
async fn the_store_s_answer_to_a_put() {
    on_every_bucket(async |fixture| {
        fixture.insert_one_message().await;
        its_answer_is_lost(fixture, Kind::Put).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_s_answer_to_a_part() {
    on_every_bucket(async |fixture| {
        put_large(fixture.database(), 120).await;
        its_answer_is_lost(fixture, Kind::PutPart).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_s_answer_to_the_completion_of_an_upload() {
    on_every_bucket(async |fixture| {
        put_large(fixture.database(), 120).await;
        its_answer_is_lost(fixture, Kind::CompleteUpload).await;
    })
    .await;
}

async fn its_answer_is_lost(fixture: &Fixture, kind: Kind) {
    let _worker = fixture.start_worker(&[]);
    let lost = fixture
        .s3()
        .inject(move |seen| seen.kind == kind, Fault::LoseAnswer);
    let id = fixture.queue_full_export().await;
    fixture.read_file(id).await;
    assert!(lost.hits() > 1, "the request was repeated");
    stays_completed(fixture, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_s_answer_to_the_completion() {
    on_every_store(async |fixture| the_completion_is_lost(fixture, Loss::Reply).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_completion_on_its_way_to_the_database() {
    on_every_store(async |fixture| the_completion_is_lost(fixture, Loss::Request).await).await;
}

async fn the_completion_is_lost(fixture: &Fixture, loss: Loss) {
    fixture.insert_one_message().await;
    let (_worker, database) = worker_and_its_database(fixture).await;
    database.lose_at(loss, KEY);
    let id = fixture.queue_full_export().await;

    fixture.read_file(id).await;

    assert_eq!(database.lost(), 1);
    stays_completed(fixture, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_the_completion_until_the_lease_is_over() {
    on_every_store(async |fixture| {
        fixture.insert_one_message().await;
        let (mut worker, database) = worker_and_its_database(fixture).await;
        // More than the worker has connections; new ones it does not get.
        for _ in 0..20 {
            database.lose_at(Loss::Reply, KEY);
        }
        let (fixture, proxy) = (&fixture, &database);
        let id = fixture.queue_full_export().await;
        eventually(
            "the first answer is lost",
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
        stays_completed(fixture, id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_completion_until_the_lease_is_over() {
    on_every_store(async |fixture| {
        fixture.insert_one_message().await;
        let (mut worker, database) = worker_and_its_database(fixture).await;
        // Cut before anything of it arrives, and all that follows with it.
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
        // The file of the first attempt belongs to no attempt.
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}

/// A worker that reaches the database through a proxy, and reads its messages past it.
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

/// It was completed by its only attempt, and no janitor takes its file.
async fn stays_completed(fixture: &Fixture, id: exports_domain::ExportId) {
    assert_eq!(fixture.export(id).await.attempt, 1);
    let objects = "SELECT state FROM export_objects";
    assert_eq!(fixture.database().value(objects).await, "kept");
    fixture.wait_for_files_of(&[id]).await;
}
