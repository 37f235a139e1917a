//! A session whose connection becomes silent.

use std::time::{Duration, Instant};

use exports_database::Database;
use exports_domain::{Column, Direction};
use exports_postgres::PoolPurpose;
use exports_source::{Error, Source, TimeSlice, WorkingTime};
use exports_tests::{Message, Proxy, TIMEOUT, TestDatabase, eventually};

use crate::support::sessions::known_urls;
use crate::support::{PROJECT, database, filter, project};

/// The limit for a control statement without an answer, and some time for a busy machine.
const CONTROL: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(2);

/// A database with messages, and a source behind a proxy.
async fn behind_a_proxy() -> (TestDatabase, Proxy, Source) {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 3).await;
    let proxy = Proxy::to_postgres(database.url()).await;
    let storage = Database::new(&proxy.url(database.url()), PoolPurpose::Command).unwrap();
    (database, proxy, Source::same_as(&storage))
}

#[tokio::test]
async fn a_statement_on_a_silent_server_ends_within_ten_seconds() {
    let (_database, proxy, source) = behind_a_proxy().await;
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    proxy.hold();
    let begun = Instant::now();
    let answer = session.endpoint_urls(Direction::Outbound, 10).await;
    let took = begun.elapsed();
    println!("ended after {took:?}: {answer:?}");
    assert!(matches!(answer, Err(Error::Stalled { .. })), "{answer:?}");
    assert!(took < CONTROL + SLACK, "{took:?}");
}

/// The server keeps a session whose packets are dropped, with its snapshot, until its own TCP timeout.
#[tokio::test]
async fn a_silent_session_is_ended_on_the_server() {
    let (database, proxy, source) = behind_a_proxy().await;
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'";
    assert_eq!(database.value(open).await, 1);
    proxy.blackhole();
    let begun = Instant::now();
    let answer = session.endpoint_urls(Direction::Outbound, 10).await;
    let took = begun.elapsed();
    println!("ended after {took:?}: {answer:?}");
    assert!(matches!(answer, Err(Error::Stalled { .. })), "{answer:?}");
    assert!(took < CONTROL, "{took:?}");
    drop(session);
    eventually("the session has ended", TIMEOUT, async || {
        (database.value(open).await == 0).then_some(())
    })
    .await;
}

/// Backpressure is not silence.
#[tokio::test]
async fn a_reader_that_pauses_longer_than_the_stall_timeout_can_continue() {
    let (_database, _proxy, source) = behind_a_proxy().await;
    let source = source.with_stall_timeout(Duration::from_secs(1));
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let slice = TimeSlice::whole(&filter().range);
    let working = WorkingTime::default();
    let (filter, url) = (filter(), known_urls().column());
    let mut rows = session
        .rows(
            &filter,
            slice,
            Column::all_of(filter.direction),
            url,
            &working,
        )
        .await
        .unwrap();
    let mut bytes = Vec::new();
    while rows.read(&mut bytes, usize::MAX).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    assert!(!bytes.is_empty());
    assert_eq!(working.total(), Duration::ZERO);
}
