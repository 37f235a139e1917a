//! Sessions that join another session's snapshot and read slices of it.

use exports_database::Database;
use exports_postgres::PoolPurpose;
use exports_source::Source;
use exports_source::{SourceSession, TimeSlice};
use exports_tests::{Message, TIMEOUT, TestDatabase, eventually, not_run};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::sessions::{begin, join, known_urls, read, start_reading};
use crate::support::{PROJECT, database, filter, filter_of, own_server, stop};

/// A session that has begun, and another reader of its snapshot.
async fn two(source: &Source) -> (SourceSession, SourceSession) {
    let (session, snapshot) = begin(source).await;
    let reader = join(source, &snapshot).await.unwrap();
    (session, reader)
}

#[tokio::test]
async fn joined_readers_read_the_same_rows_as_the_session() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 50_000).await;
    // One row is larger than a single read.
    database
        .execute("UPDATE messages SET last_error = repeat('long, ', 100000) WHERE created_at = '2025-12-01T01:00:00Z'")
        .await;
    let source = Source::same_as(&database.storage());
    let (mut session, mut reader) = two(&source).await;
    database.execute("DELETE FROM messages").await;

    let expected = read(&mut session, &filter(), &known_urls()).await;
    assert_eq!(expected.len(), 50_000);
    assert!(read(&mut reader, &filter(), &known_urls()).await == expected);
    // The reader stays in sync for several slices, with and without rows.
    let nothing = filter_of("2025-12-06T00:00:00Z", "2025-12-07T00:00:00Z");
    assert_eq!(read(&mut reader, &nothing, &known_urls()).await, []);
    assert!(read(&mut reader, &filter(), &known_urls()).await == expected);
    for (filter, first) in [(filter(), expected[0].created_at), (nothing, None)] {
        let slice = TimeSlice::whole(&filter.range);
        for reader in [&mut reader, &mut session] {
            let time = reader.first_time(&filter, slice).await.unwrap();
            assert_eq!(time.map(|time| time.0), first);
        }
    }
    session.finish().await.unwrap();
}

/// Every session must read the same values: times without a zone in a view are in UTC.
#[tokio::test]
async fn rows_do_not_depend_on_the_time_zone_of_the_server() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T12:00:00Z", 10).await;
    database
        .execute(
            "ALTER TABLE messages RENAME TO stored;
             CREATE VIEW messages AS
             SELECT id, project_id, direction, endpoint_id, status, attempt_count,
                    created_at AT TIME ZONE 'UTC' AS created_at, delivered_at, next_attempt_at,
                    response_status, response_latency_ms, total_delivery_ms, last_error FROM stored",
        )
        .await;
    let name = database.url().rsplit('/').next().unwrap();
    database
        .execute(format!(
            "ALTER DATABASE \"{name}\" SET timezone = 'Asia/Tokyo'"
        ))
        .await;
    let source = Source::at(database.url(), &database.storage(), PoolPurpose::Command).unwrap();
    let (mut session, mut reader) = two(&source).await;
    let expected = read(&mut session, &filter(), &known_urls()).await;
    assert_eq!(expected.len(), 10);
    assert_eq!(read(&mut reader, &filter(), &known_urls()).await, expected);
}

#[tokio::test]
async fn the_snapshot_of_a_finished_session_cannot_be_joined() {
    let database = database().await;
    let source = Source::same_as(&database.storage());
    let (session, snapshot) = begin(&source).await;
    session.finish().await.unwrap();
    let refused = join(&source, &snapshot).await.unwrap_err();
    assert!(refused.sql_state().is_some(), "{refused:?}");
}

#[tokio::test]
async fn a_reader_whose_backend_is_terminated_gets_a_retryable_error() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 100_000).await;
    let source = Source::same_as(&database.storage());
    let (_session, mut reader) = two(&source).await;
    let mut rows = start_reading(&mut reader).await;
    assert_eq!(copies(&database).await, json!(1));
    database
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'")
        .await;
    let error = loop {
        match rows.read(&mut Vec::new(), usize::MAX).await {
            Ok(more) => assert!(more, "the stream must fail before its end"),
            Err(error) => break error,
        }
    };
    assert!(error.is_transient(), "{error:?}");
}

async fn copies(database: &TestDatabase) -> serde_json::Value {
    let copies = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'";
    database.value(copies).await
}

/// Other tests use only SCRAM.
#[tokio::test(flavor = "multi_thread")]
async fn every_password_authentication_method_works() {
    const PASSWORD: &str = "p@ss:/ 'ä";
    let Some((postgres, folder)) = own_server().await else {
        not_run("the private server is a container, which decides for itself how to ask");
        return;
    };
    let hba = folder.join("data/pg_hba.conf");
    let methods = ["scram-sha-256", "md5", "password", "trust"];
    let lines = methods.map(|method| format!("host all \"by {method}\" 127.0.0.1/32 {method}\n"));
    let others = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, lines.concat() + &others).unwrap();
    let mut admin = PgConnection::connect(&postgres.url()).await.unwrap();
    for method in methods {
        let stored = if method == "md5" {
            "md5"
        } else {
            "scram-sha-256"
        };
        let role = format!(
            "SET password_encryption = '{stored}';
             CREATE ROLE \"by {method}\" LOGIN PASSWORD '{}'; SELECT pg_reload_conf()",
            PASSWORD.replace('\'', "''")
        );
        sqlx::raw_sql(AssertSqlSafe(role))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    let url_of = |method: &str, password: &str| {
        let mut url = url::Url::parse(&postgres.url()).unwrap();
        url.set_username(&format!("by {method}")).unwrap();
        url.set_password(Some(password)).unwrap();
        url.to_string()
    };
    for method in methods {
        let url = url_of(method, PASSWORD);
        eventually("the method is configured", TIMEOUT, async || {
            PgConnection::connect(&url).await.ok()
        })
        .await;
        let database = Database::new(&url, PoolPurpose::Command).unwrap();
        let (mut session, _reader) = two(&Source::same_as(&database)).await;
        if method != "trust" {
            let wrong = Database::new(&url_of(method, "wrong"), PoolPurpose::Command).unwrap();
            let snapshot = session.export_snapshot().await.unwrap();
            let joined = join(&Source::same_as(&wrong), &snapshot).await;
            let refused = joined.unwrap_err();
            assert_eq!(refused.sql_state().as_deref(), Some("28P01"), "{method}");
        }
    }
    stop(postgres).await;
}
