//! The database is unavailable for some time: no restart is needed.

use std::time::{Duration, Instant};

use exports_tests::{Loss, Proxy, StoreKind, TIMEOUT, eventually};

use crate::rows::put_large;
use crate::support::{Fixture, Worker, on_every_store};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_resumes_when_the_database_recovers() {
    on_every_store(async |fixture| {
        let (mut worker, database) = worker_behind(fixture, &[]).await;
        fixture.insert_one_message().await;
        let before = fixture.queue_full_export().await;
        fixture.read_file(before).await;

        database.make_unavailable();
        worker.wait_for_line("the database is unavailable").await;
        let meanwhile = fixture.queue_full_export().await;
        database.restore();

        fixture.read_file(meanwhile).await;
        fixture.wait_for_files_of(&[before, meanwhile]).await;
        worker.terminate();
        assert_eq!(worker.wait().await.code(), Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_export_is_retried_when_the_database_recovers() {
    on_every_store(async |fixture| {
        let database = Proxy::to_postgres(fixture.database().url()).await;
        let url = database.url(fixture.database().url());
        let variables = [("DATABASE_URL", url.as_str()), ("EXPORTS_LEASE", "2s")];
        let (mut worker, source) = fixture.worker_that_gets_stuck(&variables).await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;

        source.make_unavailable();
        database.make_unavailable();
        worker.wait_for_line("the database is unavailable").await;
        fixture.wait_for_empty_store().await;
        source.restore();
        database.restore();

        assert!(fixture.read_file(id).await == expected);
        assert_eq!(fixture.export(id).await.attempt, 2);
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_are_reopened() {
    on_every_store(async |fixture| {
        let (_worker, database) = worker_behind(fixture, &[]).await;
        fixture.insert_one_message().await;
        let first = fixture.queue_full_export().await;
        fixture.read_file(first).await;
        database.cut();
        let second = fixture.queue_full_export().await;
        fixture.read_file(second).await;
        fixture.wait_for_files_of(&[first, second]).await;
    })
    .await;
}

/// Packets are dropped without a reset, and new connections work. The claim is sent again over a new connection when its answer is
/// 6 s late, so the export does not wait for a lease. A claim that is executed just then is another case, the one below.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_delay_an_export_by_one_answer_limit() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    // The sessions on the source do not go through the proxy.
    let source = [("EXPORTS_SOURCE_DATABASE_URL", fixture.database().url())];
    let (_worker, database) = worker_behind(&fixture, &source).await;
    fixture.insert_one_message().await;
    let first = fixture.queue_full_export().await;
    fixture.read_file(first).await;
    for _ in 0..2 {
        database.blackhole();
        wait_until_nothing_runs(&fixture).await;
        let begun = Instant::now();
        let id = fixture.queue_full_export().await;
        fixture.read_file(id).await;
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(fixture.export(id).await.attempt, 1);
    }
}

/// The claim is executed and its answer does not arrive: the worker finds the export that it holds, instead of waiting for its lease.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_whose_claim_is_not_answered_does_not_wait_for_its_lease() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let source = [("EXPORTS_SOURCE_DATABASE_URL", fixture.database().url())];
    let (mut worker, database) = worker_behind(&fixture, &source).await;
    let name = worker.wait_for_event("worker started").await["worker"].clone();
    let name = name.as_str().expect("the worker's name").to_owned();
    fixture.insert_one_message().await;
    let first = fixture.queue_full_export().await;
    fixture.read_file(first).await;
    wait_until_nothing_runs(&fixture).await;

    // Only claims contain the name. Until the export exists, none is executed.
    database.hold();
    let id = fixture.queue_full_export().await;
    database.lose_at(Loss::Silence, name);
    let begun = Instant::now();
    database.restore();
    eventually("the claim's answer is lost", TIMEOUT, async || {
        (database.lost() == 1).then_some(())
    })
    .await;
    let claimed = "SELECT status = 'processing' FROM exports WHERE object_key IS NULL";
    assert_eq!(fixture.database().value(claimed).await, true);
    fixture.read_file(id).await;
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(fixture.export(id).await.attempt, 1);
    fixture.wait_for_files_of(&[first, id]).await;
}

/// Waits until the server executes no statement of another connection, in two looks: a request may be between its socket and it.
async fn wait_until_nothing_runs(fixture: &Fixture) {
    let running = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
    let mut quiet = 0;
    eventually("no statement runs", TIMEOUT, async || {
        let count = fixture.database().value(running).await;
        quiet = if count == 0 { quiet + 1 } else { 0 };
        (quiet == 2).then_some(())
    })
    .await;
}

/// A worker whose database connections all go through a proxy.
async fn worker_behind(fixture: &Fixture, variables: &[(&str, &str)]) -> (Worker, Proxy) {
    let database = Proxy::to_postgres(fixture.database().url()).await;
    let url = database.url(fixture.database().url());
    let variables = [variables, &[("DATABASE_URL", &url)]].concat();
    let mut worker = fixture.start_worker(&variables);
    worker.wait_for_event("worker started").await;
    (worker, database)
}
