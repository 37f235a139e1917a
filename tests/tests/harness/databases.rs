//! Databases of tests: isolated, and dropped at the end.

use exports_tests::{TIMEOUT, TestDatabase, eventually};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// On a server given by a URL the drop blocks; on a private server it runs in the background.
async fn wait_until_dropped(looker: &TestDatabase, url: &str) {
    eventually("the database is gone", TIMEOUT, async || {
        (!exists(looker, url).await).then_some(())
    })
    .await;
}

async fn exists(looker: &TestDatabase, url: &str) -> bool {
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    looker.value(&sql).await == json!(1)
}

#[tokio::test]
async fn a_database_is_dropped_with_open_connections() {
    let looker = TestDatabase::empty().await;
    let database = TestDatabase::create().await;
    let url = database.url().to_owned();
    let mut connected = PgConnection::connect(&url).await.unwrap();
    assert!(exists(&looker, &url).await);
    drop(database);
    wait_until_dropped(&looker, &url).await;
    assert!(connected.ping().await.is_err());
}

#[tokio::test]
async fn a_database_is_dropped_when_its_test_panics() {
    let looker = TestDatabase::empty().await;
    let database = TestDatabase::create().await;
    let url = database.url().to_owned();
    let panicked = tokio::spawn(async move {
        let _database = database;
        panic!("on purpose");
    });
    assert!(panicked.await.is_err());
    wait_until_dropped(&looker, &url).await;
}

#[tokio::test]
async fn two_databases_are_isolated() {
    let (one, other) = tokio::join!(TestDatabase::create(), TestDatabase::create());
    one.project("proj_a").await;
    let count = "SELECT count(*) FROM projects";
    assert_eq!(one.value(count).await, json!(1));
    assert_eq!(other.value(count).await, json!(0));
}

#[tokio::test]
async fn a_new_database_has_no_rows_of_earlier_tests() {
    for _ in 0..3 {
        let database = TestDatabase::create().await;
        let tables = [
            "projects",
            "api_keys",
            "exports",
            "export_objects",
            "messages",
            "endpoints",
        ];
        for table in tables {
            let sql = format!("SELECT FROM {table}");
            let rows = sqlx::query(AssertSqlSafe(sql))
                .fetch_all(database.pool())
                .await;
            assert!(rows.unwrap().is_empty(), "{table}");
        }
        database.project("proj_a").await;
    }
}
