//! Connections that become silent: packets are dropped, and no reset arrives.

use std::time::{Duration, Instant};

use exports_domain::FailureCode;
use exports_tests::s3::{Fault, Kind};
use exports_tests::{StoreKind, TIMEOUT, eventually};
use sqlx::{Connection, PgConnection};

use crate::rows::put_large;
use crate::support::Fixture;

/// The limit for a control statement without an answer.
const CONTROL: Duration = Duration::from_secs(10);
/// One attempt at a small export, on a busy machine.
const ATTEMPT: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn silent_idle_connections_to_the_source_cost_ten_seconds_and_no_attempt() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let (worker, source) = fixture
        .worker_behind_a_proxy(&[("EXPORTS_CONCURRENCY", "2")])
        .await;
    fixture.insert_one_message().await;
    let first = fixture.queue_full_export().await;
    fixture.read_file(first).await;

    source.blackhole();
    let begun = Instant::now();
    let exports = [
        fixture.queue_full_export().await,
        fixture.queue_full_export().await,
    ];
    for id in exports {
        fixture.read_file(id).await;
        assert_eq!(fixture.export(id).await.attempt, 1);
    }
    let took = begun.elapsed();
    println!("done after {took:?}");
    assert!(took < CONTROL + ATTEMPT, "{took:?}");
    let log = worker.log();
    assert!(
        log.contains("an idle connection to the source was lost"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_becomes_silent_during_a_copy_is_read_again() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let expected = put_large(fixture.database(), 120).await;
    let (mut worker, source) = fixture
        .worker_that_gets_stuck(&[("EXPORTS_STALL_TIMEOUT", "3s")])
        .await;
    let id = fixture.queue_full_export().await;
    source.held().await;

    // From now on, the connections are silent and new ones work.
    source.blackhole();
    source.restore();
    let begun = Instant::now();
    let failed = worker.wait_for_event("the attempt failed").await;
    let took = begun.elapsed();
    println!("noticed after {took:?}: {failed}");
    assert_eq!(failed["error_code"], FailureCode::SourceStalled.as_str());
    assert!(took < Duration::from_secs(3) + ATTEMPT, "{took:?}");

    assert!(fixture.read_file(id).await == expected);
    assert_eq!(fixture.export(id).await.attempt, 2);
    // The server would keep the sessions for hours: it cannot send what they wait for.
    let abandoned = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE 'COPY%'";
    eventually("the abandoned sessions have ended", TIMEOUT, async || {
        (fixture.database().value(abandoned).await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_continues_after_its_source_was_unreachable_during_a_copy() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let expected = put_large(fixture.database(), 120).await;
    let (mut worker, source) = fixture
        .worker_that_gets_stuck(&[("EXPORTS_STALL_TIMEOUT", "3s")])
        .await;
    let id = fixture.queue_full_export().await;
    source.held().await;

    // New connections get no answer either.
    let begun = Instant::now();
    let failed = worker.wait_for_event("the attempt failed").await;
    let took = begun.elapsed();
    println!("noticed after {took:?}: {failed}");
    assert_eq!(failed["error_code"], FailureCode::SourceStalled.as_str());
    let connecting = Duration::from_secs(5);
    assert!(
        took < Duration::from_secs(3) + connecting + ATTEMPT,
        "{took:?}"
    );

    source.restore();
    assert!(fixture.read_file(id).await == expected);
}

/// A sort of a view without an index sends nothing for a long time.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_works_longer_than_the_stall_timeout_is_not_ended() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    fixture.insert_one_message().await;
    fixture
        .database()
        .execute(
            "ALTER TABLE messages RENAME TO stored;
             CREATE VIEW messages AS
             WITH slow AS MATERIALIZED (SELECT pg_sleep(7)) SELECT stored.* FROM stored, slow",
        )
        .await;
    let worker = fixture.start_worker(&[("EXPORTS_STALL_TIMEOUT", "2s")]);
    let id = fixture.queue_full_export().await;

    fixture.read_file(id).await;

    assert_eq!(fixture.export(id).await.attempt, 1);
    let seconds =
        format!("SELECT completed_at - started_at > interval '7 s' FROM exports WHERE id = '{id}'");
    assert_eq!(fixture.database().value(&seconds).await, true);
    assert!(!worker.log().contains("the attempt failed"));
}

/// `LOCK TABLE` waits for a migration of the platform.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_lock_of_the_source_is_not_ended() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    fixture.insert_one_message().await;
    let mut worker = fixture.start_worker(&[]);
    worker.wait_for_event("worker started").await;
    let mut migration = PgConnection::connect(fixture.database().url())
        .await
        .expect("a connection");
    sqlx::raw_sql("BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        .execute(&mut migration)
        .await
        .expect("the lock");
    let id = fixture.queue_full_export().await;

    let waiting = "the source still works on a statement, or waits for a lock";
    let event = worker.wait_for_event(waiting).await;
    assert_eq!(event["wait_event"], "Lock: relation");
    migration.close().await.expect("the lock is released");

    fixture.read_file(id).await;
    assert_eq!(fixture.export(id).await.attempt, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_waited_for_its_source_is_not_too_long() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let expected = put_large(fixture.database(), 120).await;
    let (mut worker, source) = fixture
        .worker_that_gets_stuck(&[("EXPORTS_MAX_DURATION", "4s")])
        .await;
    let id = fixture.queue_full_export().await;

    let failed = worker.wait_for_event("the attempt failed").await;
    assert_eq!(failed["error_code"], FailureCode::SourceStalled.as_str());
    source.restore();

    assert!(fixture.read_file(id).await == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_a_silent_store_does_not_take_is_sent_again() {
    let fixture = Fixture::without_services(StoreKind::S3).await;
    let expected = put_large(fixture.database(), 120).await;
    let silent = fixture
        .s3()
        .inject(|seen| seen.kind == Kind::PutPart, Fault::Hold);
    let mut worker = fixture.start_worker(&[("AWS_READ_TIMEOUT", "2s")]);
    worker.wait_for_event("worker started").await;
    let id = fixture.queue_full_export().await;
    silent.reached(1).await;
    let begun = Instant::now();
    silent.reached(4).await;
    let took = begun.elapsed();
    println!("repeated after {took:?}");
    assert!(took < Duration::from_secs(2) + ATTEMPT, "{took:?}");
    drop(silent);

    assert!(fixture.read_file(id).await == expected);
    assert_eq!(fixture.export(id).await.attempt, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_silent_fails_the_attempt() {
    let fixture = Fixture::without_services(StoreKind::S3).await;
    let expected = put_large(fixture.database(), 120).await;
    let silent = fixture
        .s3()
        .inject(|seen| seen.kind == Kind::PutPart, Fault::Hold);
    // The maximum duration ends the retries of the part, which continue for a minute.
    let variables = [("AWS_READ_TIMEOUT", "2s"), ("EXPORTS_MAX_DURATION", "8s")];
    let mut worker = fixture.start_worker(&variables);
    let id = fixture.queue_full_export().await;

    let failed = worker.wait_for_event("the attempt failed").await;
    assert_eq!(
        failed["error_code"],
        FailureCode::StorageUnavailable.as_str()
    );
    drop(silent);

    assert!(fixture.read_file(id).await == expected);
    fixture.wait_for_files_of(&[id]).await;
}
