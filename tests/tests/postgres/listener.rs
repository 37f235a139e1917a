//! Notifications about queued exports.

use std::time::Duration;

use exports_database::{Database, Leased};
use exports_postgres::PoolPurpose;
use exports_tests::{Proxy, TIMEOUT};
use tokio::time::timeout;

use crate::support::{claim, database, new_export};

#[tokio::test]
async fn a_create_and_a_release_notify_the_listener() {
    let database = database().await;
    let storage = database.storage();
    let mut listener = storage.listen().await.unwrap();

    storage.create_export(&new_export()).await.unwrap();
    timeout(TIMEOUT, listener.notified())
        .await
        .expect("a notification arrives")
        .unwrap();

    let claimed = claim(&storage).await.unwrap();
    assert_eq!(
        storage.release(claimed.lease).await.unwrap(),
        Leased::Held(())
    );
    timeout(TIMEOUT, listener.notified())
        .await
        .expect("a notification arrives")
        .unwrap();
}

#[tokio::test]
async fn a_listener_with_a_lost_connection_returns_a_retryable_error() {
    let database = database().await;
    let proxy = Proxy::to_postgres(database.url()).await;
    let storage = exports_database::Database::new(
        &proxy.url(database.url()),
        exports_postgres::PoolPurpose::Api,
    )
    .unwrap();
    let mut listener = storage.listen().await.unwrap();
    proxy.cut();
    let heard = timeout(TIMEOUT, listener.notified())
        .await
        .expect("the listener ends");
    assert!(heard.unwrap_err().is_transient());
    // A new listener works.
    let mut listener = storage.listen().await.unwrap();
    database
        .storage()
        .create_export(&new_export())
        .await
        .unwrap();
    timeout(TIMEOUT, listener.notified())
        .await
        .expect("a notification arrives")
        .unwrap();
}

/// A connection that drops packets without a reset. Until the listener notices it, polling finds exports.
#[tokio::test]
async fn a_silent_listener_returns_an_error_within_thirty_seconds() {
    let database = database().await;
    let proxy = Proxy::to_postgres(database.url()).await;
    let url = proxy.url(database.url());
    let storage = Database::new(&url, PoolPurpose::Worker { concurrency: 1 }).unwrap();
    let mut listener = storage.listen().await.unwrap();
    proxy.blackhole();
    let heard = timeout(Duration::from_secs(30), listener.notified())
        .await
        .expect("the listener ends");
    assert!(heard.unwrap_err().is_transient());
}
