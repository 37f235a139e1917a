//! `/healthz` and `/readyz` of a worker.

use exports_tests::{Client, PATIENCE, Proxy, Reply, StoreKind, eventually};

use crate::workshop::Workshop;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_ready_while_its_database_is_there_and_migrated() {
    let shop = Workshop::open(StoreKind::File).await;
    let database = Proxy::to_postgres(shop.database.url()).await;
    let mut worker = shop.worker(&[
        ("DATABASE_URL", &database.url(shop.database.url())),
        ("EXPORTS_HEALTH_LISTEN", "127.0.0.1:0"),
    ]);
    let listening = worker.wait_for_event("health listening").await;
    let address = listening["address"].as_str().expect("an address");
    let probe = Client::new(address);

    assert_eq!(probe.get("/healthz").await.status, 200);
    assert_eq!(probe.get("/readyz").await.status, 200);

    database.take_away();
    let unready = is(&probe, 503).await;
    assert_eq!(unready.json()["reason"], "the database is not available");
    assert_eq!(probe.get("/healthz").await.status, 200);
    database.restore();
    is(&probe, 200).await;

    // As slow as gone.
    database.hold();
    is(&probe, 503).await;
    database.restore();
    is(&probe, 200).await;

    shop.database
        .execute(
            "CREATE TABLE kept AS SELECT * FROM _sqlx_migrations; DELETE FROM _sqlx_migrations",
        )
        .await;
    let unready = is(&probe, 503).await;
    let reason = unready.json()["reason"].to_string();
    assert!(reason.contains("migrations"), "{reason}");
    shop.database
        .execute("INSERT INTO _sqlx_migrations SELECT * FROM kept")
        .await;
    is(&probe, 200).await;

    worker.terminate();
    assert_eq!(worker.wait().await.code(), Some(0));
    assert!(probe.try_get("/healthz").await.is_err());
}

/// Waits until `/readyz` answers so.
async fn is(probe: &Client, status: u16) -> Reply {
    eventually(&format!("/readyz is {status}"), PATIENCE, async || {
        let reply = probe.get("/readyz").await;
        (reply.status == status).then_some(reply)
    })
    .await
}
