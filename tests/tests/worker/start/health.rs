//! `/healthz` and `/readyz` of a worker, and its `healthcheck` command, which calls `/readyz`.

use exports_tests::{Client, Process, Proxy, Reply, StoreKind, TIMEOUT, eventually};

use crate::support::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_ready_while_its_database_is_available_and_migrated() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = Proxy::to_postgres(fixture.database().url()).await;
    let mut worker = fixture.start_worker(&[
        ("DATABASE_URL", &database.url(fixture.database().url())),
        ("EXPORTS_HEALTH_LISTEN", "127.0.0.1:0"),
    ]);
    let listening = worker.wait_for_event("health listening").await;
    let address = listening["address"].as_str().expect("an address");
    let probe = Client::new(address);

    assert_eq!(probe.get("/healthz").await.status, 200);
    is(&probe, 200).await;

    database.make_unavailable();
    let unready = is(&probe, 503).await;
    assert_eq!(unready.json()["reason"], "the database is not available");
    assert_eq!(probe.get("/healthz").await.status, 200);
    database.restore();
    is(&probe, 200).await;

    // A database that does not respond counts as unavailable.
    database.hold();
    is(&probe, 503).await;
    database.restore();
    is(&probe, 200).await;

    fixture
        .database()
        .execute(
            "CREATE TABLE kept AS SELECT * FROM _sqlx_migrations; DELETE FROM _sqlx_migrations",
        )
        .await;
    let unready = is(&probe, 503).await;
    let reason = unready.json()["reason"].to_string();
    assert!(reason.contains("migrations"), "{reason}");
    fixture
        .database()
        .execute("INSERT INTO _sqlx_migrations SELECT * FROM kept")
        .await;
    is(&probe, 200).await;

    worker.terminate();
    assert_eq!(worker.wait().await.code(), Some(0));
    assert!(probe.try_get("/healthz").await.is_err());
}

/// Waits until `/readyz` has this status.
async fn is(probe: &Client, status: u16) -> Reply {
    eventually(&format!("/readyz is {status}"), TIMEOUT, async || {
        let reply = probe.get("/readyz").await;
        (reply.status == status).then_some(reply)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_healthcheck_command_exits_with_0_only_while_the_worker_is_ready() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = Proxy::to_postgres(fixture.database().url()).await;
    let mut worker = fixture.start_worker(&[
        ("DATABASE_URL", &database.url(fixture.database().url())),
        ("EXPORTS_HEALTH_LISTEN", "127.0.0.1:0"),
    ]);
    let listening = worker.wait_for_event("health listening").await;
    let address = listening["address"].as_str().expect("an address");
    let (_, port) = address.rsplit_once(':').expect("a port");
    worker.wait_for_event("worker started").await;
    // As in a container image, and with no other variable.
    let listen = format!("0.0.0.0:{port}");

    assert_eq!(
        check(&[("EXPORTS_HEALTH_LISTEN", &listen)]).await,
        (0, String::new())
    );
    database.make_unavailable();
    // The answer is at most a second old.
    let line = eventually("the command fails", TIMEOUT, async || {
        let (code, line) = check(&[("EXPORTS_HEALTH_LISTEN", &listen)]).await;
        (code == 1).then_some(line)
    })
    .await;
    assert!(line.contains("the database is not available"), "{line}");

    worker.kill().await;
    let (code, line) = check(&[("EXPORTS_HEALTH_LISTEN", &listen)]).await;
    assert_eq!(code, 1, "{line}");
    assert!(line.contains("/readyz does not answer: "), "{line}");
    let (code, line) = check(&[]).await;
    assert_eq!(code, 1, "{line}");
    assert!(line.contains("EXPORTS_HEALTH_LISTEN must be set"), "{line}");
}

/// The exit code and the one line, if any, of `exports-worker healthcheck`.
async fn check(variables: &[(&str, &str)]) -> (i32, String) {
    let environment = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut process = Process::start("exports-worker", &["healthcheck"], environment);
    let status = process.wait().await;
    let log = process.log();
    assert!(log.lines().count() <= 1, "{log}");
    (status.code().expect("an exit code"), log)
}
