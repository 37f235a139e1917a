//! Sessions on the source: reading, reuse, and sessions that are abandoned in the middle.

use std::time::Duration;

use exports_source::{EndpointUrls, Source};
use exports_tests::{Message, TIMEOUT, eventually, uuid};
use serde_json::json;

use crate::support::sessions::{
    assert_refused_or_in_step, known_urls, leave_in_the_middle, read, read_all, start_reading,
    try_read,
};
use crate::support::{PROJECT, database, filter, project, spoil_row};

#[tokio::test]
async fn a_session_is_reused_for_several_exports() {
    let database = database().await;
    let other = database.project("proj_b").await;
    Message::insert(
        database.pool(),
        &[
            Message::outbound(PROJECT).id(uuid(1)),
            Message::outbound("proj_b").id(uuid(2)),
        ],
    )
    .await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    for _ in 0..3 {
        for (project, expected) in [(&project(), uuid(1)), (&other, uuid(2))] {
            session.begin(project).await.unwrap();
            let rows = read(&mut session, &filter(), &EndpointUrls::InRows).await;
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].id, Some(expected), "the row of its project");
            session = session.finish().await.unwrap();
        }
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%nonce%' AND pid <> pg_backend_pid()";
    assert_eq!(
        database.value(sessions).await,
        json!(1),
        "one connection serves all exports"
    );
}

/// `finish` returns the session only if it is in sync. A session in the middle of a COPY is not:
/// if it were reused, the next export would read rows of this one.
#[tokio::test]
async fn an_abandoned_session_is_discarded_or_stays_in_sync() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 20_000).await;
    leave_in_the_middle(&Source::same_as(&database.storage()), 20_000).await;
}

#[tokio::test]
async fn a_dropped_session_ends_its_query_on_the_server() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 100_000).await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let _rows = start_reading(&mut session).await;
    let copies = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'";
    assert_eq!(database.value(copies).await, json!(1));
    drop(session);
    eventually("the server has ended the COPY", TIMEOUT, async || {
        (database.value(copies).await == json!(0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_failed_copy_is_an_error_and_its_session_is_discarded_or_in_sync() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 3000).await;
    // 2,400 valid rows, then one that cannot be computed.
    spoil_row(&database, "2025-12-01T00:40:00Z").await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let read = try_read(&mut session, &filter(), &known_urls()).await;
    let error = read.unwrap_err();
    assert_eq!(error.sql_state().as_deref(), Some("22012"), "{error:?}");
    assert!(error.is_data() && !error.is_transient());
    database
        .execute("UPDATE stored SET attempt_count = 1")
        .await;
    assert_refused_or_in_step(session, 3000).await;
}

#[tokio::test]
async fn a_session_has_no_statement_or_transaction_timeout() {
    let database = database().await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let settings = database
        .rows(
            "SELECT usename IS NOT NULL AS here FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle in transaction'",
        )
        .await;
    assert_eq!(settings, [json!({"here": true})], "the transaction is open");
    // A statement that exceeds the pool's statement timeout would take ten seconds. Instead,
    // the test reads the settings through a view.
    drop(session);
    database
        .execute(
            "DROP TABLE messages;
             CREATE VIEW messages AS
             SELECT gen_random_uuid() AS id, 'proj_a' AS project_id, 'outbound' AS direction,
                    gen_random_uuid() AS endpoint_id, name AS status, 0 AS attempt_count,
                    timestamptz '2025-12-03' AS created_at, NULL::timestamptz AS delivered_at,
                    NULL::timestamptz AS next_attempt_at, NULL::int AS response_status,
                    NULL::int AS response_latency_ms, NULL::int AS total_delivery_ms, setting AS last_error
             FROM pg_settings
             WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'jit',
                            'transaction_isolation', 'transaction_read_only')",
        )
        .await;
    let rows = read_all(&source, &filter(), &known_urls()).await;
    let setting = |name: &str| {
        let row = rows.iter().find(|row| row.status.as_deref() == Some(name));
        row.map(|row| row.last_error.clone().unwrap())
    };
    for off in ["statement_timeout", "idle_in_transaction_session_timeout"] {
        assert_eq!(setting(off).as_deref(), Some("0"), "{off}");
    }
    // The setting exists since PostgreSQL 17.
    assert!(matches!(
        setting("transaction_timeout").as_deref(),
        None | Some("0")
    ));
    assert_eq!(setting("jit").as_deref(), Some("off"));
    assert_eq!(
        setting("transaction_isolation").as_deref(),
        Some("repeatable read")
    );
    assert_eq!(setting("transaction_read_only").as_deref(), Some("on"));
}

#[tokio::test]
async fn an_unavailable_source_fails_within_ten_seconds() {
    let database = database().await;
    let url = database.url_of("exports_test_no_such_database");
    let source = Source::at(
        &url,
        &database.storage(),
        exports_postgres::PoolPurpose::Api,
    )
    .unwrap();
    let opened = tokio::time::timeout(Duration::from_secs(10), source.open_session()).await;
    let error = opened
        .expect("the error comes within ten seconds")
        .unwrap_err();
    assert_eq!(error.sql_state().as_deref(), Some("3D000"), "{error:?}");
}
