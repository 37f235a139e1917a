//! Failover of the primary, and promotion of the replica.

use std::time::{Duration, Instant};

use exports_tests::{
    Client, Proxy, StoreKind, TestDatabase, eventually, holds_within, private_standby,
};
use sqlx::{Connection, PgConnection};

use crate::rows::put_large;
use crate::support::Fixture;

/// The maximum time to recover after the address resolves to a primary.
const RECOVERY: Duration = Duration::from_secs(10);

/// After the promotion, commits of the primary have WAL positions that the source never reaches.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_exports_without_delay_after_its_source_is_promoted() {
    let database = TestDatabase::create().await;
    let Some(replica) = private_standby().await else {
        return;
    };
    let source = replica.url_for(database.name());
    let fixture = Fixture::on_database(StoreKind::File, database).await;
    let variables = [
        ("EXPORTS_SOURCE_DATABASE_URL", source.as_str()),
        ("EXPORTS_CONCURRENCY", "2"),
    ];
    let mut worker = fixture.start_worker(&variables);
    worker.wait_for_event("worker started").await;
    fixture.insert_one_message().await;
    for _ in 0..3 {
        let id = fixture.queue_full_export().await;
        fixture.read_file(id).await;
    }

    let mut connection = PgConnection::connect(&source).await.expect("the replica");
    let promoted = sqlx::raw_sql("SELECT pg_promote()").execute(&mut connection);
    promoted.await.expect("a promotion");
    fixture.insert_one_message().await;
    let begun = Instant::now();
    let exports = [
        fixture.queue_full_export().await,
        fixture.queue_full_export().await,
    ];
    for id in exports {
        fixture.read_file(id).await;
        assert_eq!(fixture.export(id).await.attempt, 1);
    }
    assert!(begun.elapsed() < RECOVERY, "{:?}", begun.elapsed());
    let log = worker.log();
    assert!(log.contains("has been promoted since"), "{log}");
}

/// The exports use no additional attempt.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_claims_nothing_on_a_standby_and_resumes_on_the_primary() {
    let database = TestDatabase::create().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let proxy = Proxy::to_postgres(database.url()).await;
    let fixture = Fixture::on_database(StoreKind::File, database).await;
    let url = proxy.url(fixture.database().url());
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("EXPORTS_HEALTH_LISTEN", "127.0.0.1:0"),
    ];
    let mut worker = fixture.start_worker(&variables);
    let listening = worker.wait_for_event("health listening").await;
    let probe = Client::new(listening["address"].as_str().expect("an address"));
    fixture.insert_one_message().await;
    let before = fixture.queue_full_export().await;
    fixture.read_file(before).await;

    proxy.redirect_to(&standby.url_for(fixture.database().name()));
    proxy.cut();
    let unready = eventually("the worker is not ready", RECOVERY, async || {
        let reply = probe.get("/readyz").await;
        let reason = reply.json()["reason"].as_str()?.to_owned();
        (reply.status == 503 && reason.contains("standby")).then_some(())
    });
    unready.await;
    worker.wait_for_line("the database is read-only").await;
    let meanwhile = fixture.queue_full_export().await;
    let waits = Duration::from_secs(1);
    holds_within("nothing is claimed", waits, async || {
        fixture.export(meanwhile).await.attempt == 0
    })
    .await;

    // Connections to the standby stay open, so the worker gets no signal of the change.
    proxy.redirect_to(fixture.database().url());
    let begun = Instant::now();
    fixture.read_file(meanwhile).await;
    assert!(begun.elapsed() < RECOVERY, "{:?}", begun.elapsed());
    assert_eq!(fixture.export(meanwhile).await.attempt, 1);
    assert_eq!(probe.get("/readyz").await.status, 200);
}

/// The upload is recorded and the lease is kept when the address resolves to a primary again.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_export_survives_a_failover_in_its_first_attempt() {
    let database = TestDatabase::create().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let fixture = Fixture::on_database(StoreKind::S3, database).await;
    let expected = put_large(fixture.database(), 120).await;
    let database = Proxy::to_postgres(fixture.database().url()).await;
    let source = Proxy::to_postgres(fixture.database().url()).await;
    // Stops the source before the first part is full.
    source.hold_after(2 << 20);
    let variables = [
        ("DATABASE_URL", &*database.url(fixture.database().url())),
        (
            "EXPORTS_SOURCE_DATABASE_URL",
            &*source.url(fixture.database().url()),
        ),
    ];
    let mut worker = fixture.start_worker(&variables);
    let id = fixture.queue_full_export().await;
    source.held().await;

    database.redirect_to(&standby.url_for(fixture.database().name()));
    database.cut();
    source.restore();
    worker
        .wait_for_line("the upload could not be recorded")
        .await;
    database.redirect_to(fixture.database().url());

    assert!(fixture.read_file(id).await == expected);
    assert_eq!(fixture.export(id).await.attempt, 1);
    fixture.wait_for_files_of(&[id]).await;
}
