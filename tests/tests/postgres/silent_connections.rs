//! Connections that drop packets without a reset.

use std::time::{Duration, Instant};

use exports_database::{Created, Database, Leased, Progress};
use exports_postgres::PoolPurpose;
use exports_tests::{Proxy, TIMEOUT, TestDatabase, eventually};
use futures_util::future::{join_all, try_join_all};
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
        try_join_all(pings).await.unwrap();
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
