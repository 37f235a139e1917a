//! Connections that drop packets without a reset.

use std::time::{Duration, Instant};

use exports_database::{Created, Database, Leased, Progress};
use exports_postgres::PoolPurpose;
use exports_tests::{Proxy, TIMEOUT, TestDatabase, eventually};
use futures_util::future::{join_all, try_join_all};
use serde_json::json;

use crate::support::{claim, database, new_export, queue};

/// One wait for an answer that does not come, and a new connection, on a busy machine.
const SLOW: Duration = Duration::from_secs(5);
/// Less than a single wait.
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
async fn one_request_is_slow_however_many_connections_are_dead() {
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

/// As after a night without requests: the check before use is what is not answered.
#[tokio::test]
async fn one_request_is_slow_when_the_connections_died_while_they_lay_idle() {
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

/// Each holds one of the pool's connections, so that nothing is left to ask again over.
#[tokio::test]
async fn as_many_requests_as_there_are_connections_are_slow_at_the_same_time() {
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
async fn a_create_over_a_dead_connection_is_one_export() {
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

/// A request whose client has gone away breaks off amid its statement.
#[tokio::test]
async fn a_connection_whose_answer_nobody_waits_for_is_used_again_in_step() {
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
    eventually("both are at rest", TIMEOUT, async || {
        (storage.pool_use().idle == 2).then_some(())
    })
    .await;
}
