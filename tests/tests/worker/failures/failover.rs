//! A primary fails over, or the replica that messages are read from is promoted.

use std::time::{Duration, Instant};

use exports_tests::{
    Client, Proxy, StoreKind, TestDatabase, eventually, holds_within, private_standby,
};
use sqlx::{Connection, PgConnection};

use crate::rows::put_large;
use crate::workshop::Workshop;

/// How soon everything works once the address leads to a primary.
const RECOVERY: Duration = Duration::from_secs(10);

/// What the primary commits from then on has positions that the source never reaches.
#[tokio::test(flavor = "multi_thread")]
async fn after_its_source_was_promoted_a_worker_exports_at_once() {
    let database = TestDatabase::create().await;
    let Some(replica) = private_standby().await else {
        return;
    };
    let source = replica.url_for(database.name());
    let shop = Workshop::with(StoreKind::File, database).await;
    let variables = [
        ("EXPORTS_SOURCE_DATABASE_URL", source.as_str()),
        ("EXPORTS_CONCURRENCY", "2"),
    ];
    let mut worker = shop.worker(&variables);
    worker.wait_for_event("worker started").await;
    shop.put_one().await;
    for _ in 0..3 {
        let id = shop.ask_for_all().await;
        shop.file(id).await;
    }

    let mut connection = PgConnection::connect(&source).await.expect("the replica");
    let promoted = sqlx::raw_sql("SELECT pg_promote()").execute(&mut connection);
    promoted.await.expect("a promotion");
    shop.put_one().await;
    let begun = Instant::now();
    let exports = [shop.ask_for_all().await, shop.ask_for_all().await];
    for id in exports {
        shop.file(id).await;
        assert_eq!(shop.export(id).await.attempt, 1);
    }
    assert!(begun.elapsed() < RECOVERY, "{:?}", begun.elapsed());
    let log = worker.log();
    assert!(log.contains("has been promoted since"), "{log}");
}

/// No attempt is spent on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_address_leads_to_a_standby_goes_on_when_it_leads_to_the_primary() {
    let database = TestDatabase::create().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let proxy = Proxy::to_postgres(database.url()).await;
    let shop = Workshop::with(StoreKind::File, database).await;
    let url = proxy.url(shop.database.url());
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("EXPORTS_HEALTH_LISTEN", "127.0.0.1:0"),
    ];
    let mut worker = shop.worker(&variables);
    let listening = worker.wait_for_event("health listening").await;
    let probe = Client::new(listening["address"].as_str().expect("an address"));
    shop.put_one().await;
    let before = shop.ask_for_all().await;
    shop.file(before).await;

    proxy.lead_to(&standby.url_for(shop.database.name()));
    proxy.cut();
    let unready = eventually("it is not ready", RECOVERY, async || {
        let reply = probe.get("/readyz").await;
        let reason = reply.json()["reason"].as_str()?.to_owned();
        (reply.status == 503 && reason.contains("standby")).then_some(())
    });
    unready.await;
    worker.wait_for_line("the database is read-only").await;
    let meanwhile = shop.ask_for_all().await;
    let waits = Duration::from_secs(1);
    holds_within("nothing is claimed", waits, async || {
        shop.export(meanwhile).await.attempt == 0
    })
    .await;

    // What is connected to the standby stays so: nothing tells of the change.
    proxy.lead_to(shop.database.url());
    let begun = Instant::now();
    shop.file(meanwhile).await;
    assert!(begun.elapsed() < RECOVERY, "{:?}", begun.elapsed());
    assert_eq!(shop.export(meanwhile).await.attempt, 1);
    assert_eq!(probe.get("/readyz").await.status, 200);
}

/// The upload is recorded, and the lease kept, once the address leads to a primary again.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_under_way_outlives_a_failover_in_its_first_attempt() {
    let database = TestDatabase::create().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let shop = Workshop::with(StoreKind::S3, database).await;
    let expected = put_large(&shop.database, 120).await;
    let database = Proxy::to_postgres(shop.database.url()).await;
    let source = Proxy::to_postgres(shop.database.url()).await;
    // Before the first part is full.
    source.hold_after(2 << 20);
    let variables = [
        ("DATABASE_URL", &*database.url(shop.database.url())),
        (
            "EXPORTS_SOURCE_DATABASE_URL",
            &*source.url(shop.database.url()),
        ),
    ];
    let mut worker = shop.worker(&variables);
    let id = shop.ask_for_all().await;
    source.held().await;

    database.lead_to(&standby.url_for(shop.database.name()));
    database.cut();
    source.restore();
    worker
        .wait_for_line("the upload could not be recorded")
        .await;
    database.lead_to(shop.database.url());

    assert!(shop.file(id).await == expected);
    assert_eq!(shop.export(id).await.attempt, 1);
    shop.holds_only(&[id]).await;
}
