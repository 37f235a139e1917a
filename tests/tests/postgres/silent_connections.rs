//! Connections that drop packets without a reset.

use std::time::{Duration, Instant};

use exports_database::{Created, Database, Leased, Progress};
use exports_postgres::PoolPurpose;
use exports_tests::{Loss, Proxy, TIMEOUT, TestDatabase, eventually};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{claim, database, new_export, queue};

/// One response timeout and a new connection, on a busy machine.
const SLOW: Duration = Duration::from_secs(5);
/// Less than one response timeout.
const QUICK: Duration = Duration::from_millis(900);

/// A database behind a proxy, with every connection of the pool open.
async fn warm(purpose: PoolPurpose) -> (TestDatabase, Proxy, Database) {
    let database = database().await;
    let proxy = Proxy::to_postgres(database.url()).await;
    let storage = Database::new(&proxy.url(database.url()), purpose).unwrap();
    let max = storage.pool_use().max;
    eventually("every connection is open", TIMEOUT, async || {
        let pings = (0..2 * max).map(|_| storage.ping());
        // On a busy machine, opening all connections at once may take longer than its limit.
        join_all(pings).await;
        (storage.pool_use().idle == max).then_some(())
    })
    .await;
    (database, proxy, storage)
}

#[tokio::test]
async fn only_the_first_request_is_slow_when_all_connections_are_dead() {
    let (_database, proxy, storage) = warm(PoolPurpose::Api).await;
    for round in 0..2 {
        proxy.blackhole();
        let begun = Instant::now();
        storage.ping().await.unwrap();
        assert!(begun.elapsed() < SLOW, "{round}: {:?}", begun.elapsed());
        for request in 0..20 {
            let begun = Instant::now();
            storage.ping().await.unwrap();
            let took = begun.elapsed();
            assert!(took < QUICK, "{round}, {request}: {took:?}");
        }
    }
}

/// The connections die while they are idle, so the check before use gets no response.
#[tokio::test]
async fn only_the_first_request_is_slow_when_idle_connections_are_dead() {
    let (_database, proxy, storage) = warm(PoolPurpose::Api).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    proxy.blackhole();
    let begun = Instant::now();
    storage.create_export(&new_export()).await.unwrap();
    assert!(begun.elapsed() < SLOW, "{:?}", begun.elapsed());
    let begun = Instant::now();
    storage.create_export(&new_export()).await.unwrap();
    assert!(begun.elapsed() < QUICK, "{:?}", begun.elapsed());
}

/// Twice as many requests as connections: no spare connection is left for a retry.
#[tokio::test]
async fn concurrent_requests_over_dead_connections_succeed_in_time() {
    let (_database, proxy, storage) = warm(PoolPurpose::Api).await;
    proxy.blackhole();
    let begun = Instant::now();
    let pings = join_all((0..32).map(|_| storage.ping())).await;
    assert!(begun.elapsed() < 2 * SLOW, "{:?}", begun.elapsed());
    for ping in pings {
        ping.unwrap();
    }
}

#[tokio::test]
async fn a_create_over_a_dead_connection_creates_one_export() {
    let (database, proxy, storage) = warm(PoolPurpose::Api).await;
    proxy.blackhole();
    let created = storage.create_export(&new_export()).await.unwrap();
    assert!(matches!(created, Created::New(_)), "{created:?}");
    assert_eq!(
        database.value("SELECT count(*) FROM exports").await,
        json!(1)
    );
}

#[tokio::test]
async fn a_heartbeat_does_not_wait_for_a_dead_connection() {
    let (database, proxy, storage) = warm(PoolPurpose::Worker { concurrency: 2 }).await;
    queue(&database, crate::support::PROJECT, 1).await;
    let claim = claim(&storage).await.unwrap();
    proxy.blackhole();
    let begun = Instant::now();
    let beat = storage.heartbeat(claim.lease, Duration::from_mins(1), Progress::default());
    assert_eq!(beat.await.unwrap(), Leased::Held(()));
    assert!(begun.elapsed() < SLOW, "{:?}", begun.elapsed());
}

/// The INSERT and its repetition are committed, and no reply comes. Both connections stay open.
#[tokio::test]
async fn a_create_without_a_response_is_found_over_a_new_connection() {
    let (database, proxy, storage) = warm(PoolPurpose::Api).await;
    let new = new_export();
    for _ in 0..2 {
        proxy.lose_at(Loss::Silence, new.id.0.as_bytes());
    }
    let begun = Instant::now();
    let created = storage.create_export(&new).await.unwrap();
    // The first try takes 5 s.
    assert!(begun.elapsed() < 2 * SLOW, "{:?}", begun.elapsed());
    assert_eq!(proxy.lost(), 2);
    let Created::New(export) = created else {
        panic!("{created:?}")
    };
    assert_eq!(export.id, new.id);
    assert_eq!(
        database.value("SELECT count(*) FROM exports").await,
        json!(1)
    );
}

/// The proxy accepts new connections and answers nothing.
#[tokio::test]
async fn a_request_to_a_hung_database_fails_within_its_limit() {
    let (_database, proxy, storage) = warm(PoolPurpose::Api).await;
    proxy.hold();
    for _ in 0..2 {
        let begun = Instant::now();
        let error = storage.ping().await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        // 5 s for an answer, or for a connection.
        assert!(begun.elapsed() < SLOW * 3 / 2, "{:?}", begun.elapsed());
    }
    proxy.restore();
    storage.ping().await.unwrap();
}

/// A request whose client disconnects is cancelled during its statement.
#[tokio::test]
async fn a_connection_of_a_cancelled_request_is_reused_in_sync() {
    let (_database, proxy, storage) = warm(PoolPurpose::Command).await;
    for _ in 0..20 {
        proxy.slow_down(Duration::from_millis(20));
        let given_up = tokio::time::timeout(Duration::from_millis(10), storage.ping());
        given_up.await.unwrap_err();
        proxy.restore();
        let info = storage.server_info().await.unwrap();
        assert!(!info.role.is_empty());
        storage.ping().await.unwrap();
    }
    eventually("both connections are idle", TIMEOUT, async || {
        (storage.pool_use().idle == 2).then_some(())
    })
    .await;
}
