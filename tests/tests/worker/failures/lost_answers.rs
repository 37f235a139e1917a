//! An answer that is lost leaves the worker in doubt whether its request was carried out. The
//! export is completed once, and its file stays.

use std::time::Duration;

use exports_tests::s3::{Fault, Kind};
use exports_tests::{Loss, Proxy, eventually};

use crate::rows::put_large;
use crate::workshop::{Worker, Workshop, on_every_bucket, on_every_store};

/// In requests to the database this is the beginning of the object's key: of the ones that a
/// single PUT needs, only the last has it, the one that completes the export.
const KEY: &str = "proj_abc123/";

#[tokio::test(flavor = "multi_thread")]
async fn the_store_s_answer_to_a_put() {
    on_every_bucket(async |shop| {
        shop.put_one().await;
        its_answer_is_lost(shop, Kind::Put).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_s_answer_to_a_part() {
    on_every_bucket(async |shop| {
        put_large(&shop.database, 120).await;
        its_answer_is_lost(shop, Kind::PutPart).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_s_answer_to_the_completion_of_an_upload() {
    on_every_bucket(async |shop| {
        put_large(&shop.database, 120).await;
        its_answer_is_lost(shop, Kind::CompleteUpload).await;
    })
    .await;
}

async fn its_answer_is_lost(shop: &Workshop, kind: Kind) {
    let _worker = shop.worker(&[]);
    let lost = shop
        .s3()
        .inject(move |seen| seen.kind == kind, Fault::LoseAnswer);
    let id = shop.ask_for_all().await;
    shop.file(id).await;
    assert!(lost.hits() > 1, "the request was repeated");
    stays_completed(shop, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_s_answer_to_the_completion() {
    on_every_store(async |shop| the_completion_is_lost(shop, Loss::Reply).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_completion_on_its_way_to_the_database() {
    on_every_store(async |shop| the_completion_is_lost(shop, Loss::Request).await).await;
}

async fn the_completion_is_lost(shop: &Workshop, loss: Loss) {
    shop.put_one().await;
    let (_worker, database) = worker_and_its_database(shop).await;
    database.lose_at(loss, KEY);
    let id = shop.ask_for_all().await;

    shop.file(id).await;

    assert_eq!(database.lost(), 1);
    stays_completed(shop, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_the_completion_until_the_lease_is_over() {
    on_every_store(async |shop| {
        shop.put_one().await;
        let (mut worker, database) = worker_and_its_database(shop).await;
        // More than the worker has connections; new ones it does not get.
        for _ in 0..20 {
            database.lose_at(Loss::Reply, KEY);
        }
        let (shop, proxy) = (&shop, &database);
        let id = shop.ask_for_all().await;
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

        shop.file(id).await;
        stays_completed(shop, id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_completion_until_the_lease_is_over() {
    on_every_store(async |shop| {
        shop.put_one().await;
        let (mut worker, database) = worker_and_its_database(shop).await;
        // Cut before anything of it arrives, and all that follows with it.
        database.lose_at(Loss::Request, KEY);
        let id = shop.ask_for_all().await;
        eventually(
            "the first request is lost",
            Duration::from_secs(30),
            async || (database.lost() > 0).then_some(()),
        )
        .await;
        database.take_away();
        worker
            .wait_for_line("it is unknown whether the export is completed")
            .await;
        database.restore();

        shop.file(id).await;
        let attempt = shop.export(id).await.attempt;
        assert!(attempt == 2, "attempt {attempt}");
        // The file of the first attempt is nobody's.
        shop.holds_only(&[id]).await;
    })
    .await;
}

/// A worker that reaches the database through a proxy, and reads its messages past it.
async fn worker_and_its_database(shop: &Workshop) -> (Worker, Proxy) {
    let database = Proxy::to_postgres(shop.database.url()).await;
    let mut worker = shop.worker(&[
        ("DATABASE_URL", &database.url(shop.database.url())),
        ("EXPORTS_SOURCE_DATABASE_URL", shop.database.url()),
        ("EXPORTS_LEASE", "2s"),
    ]);
    worker.wait_for_event("worker started").await;
    (worker, database)
}

/// It was completed by its only attempt, and no janitor takes its file.
async fn stays_completed(shop: &Workshop, id: exports_domain::ExportId) {
    assert_eq!(shop.export(id).await.attempt, 1);
    let objects = "SELECT state FROM export_objects";
    assert_eq!(shop.database.value(objects).await, "kept");
    shop.holds_only(&[id]).await;
}
