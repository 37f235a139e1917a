//! Sessions on the source: reading one to its end, using it again, and what becomes of one that
//! was not read to its end.

use std::collections::HashMap;
use std::time::Duration;

use exports_domain::MessageFilter;
use exports_domain::PgTimestamp;
use exports_postgres::CopyStream;
use exports_source::Error;
use exports_source::Source;
use exports_source::{Decoder, EndpointUrls, SnapshotId, SourceSession, TimeSlice};
use exports_tests::{Message, TIMEOUT, eventually, uuid};
use serde_json::json;
use uuid::Uuid;

use crate::support::{PROJECT, database, filter, project, spoil_row};

/// A row that has left its chunk. Times as `PostgreSQL` counts them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: Option<Uuid>,
    pub(crate) endpoint_id: Option<Uuid>,
    pub(crate) status: Option<String>,
    pub(crate) attempt_count: Option<i32>,
    pub(crate) created_at: Option<i64>,
    pub(crate) delivered_at: Option<i64>,
    pub(crate) next_attempt_at: Option<i64>,
    pub(crate) response_status: Option<i32>,
    pub(crate) response_latency_ms: Option<i32>,
    pub(crate) total_delivery_ms: Option<i32>,
    pub(crate) last_error: Option<String>,
    pub(crate) url: Option<String>,
}

/// Every row of a whole COPY.
pub(crate) fn decode(mut bytes: &[u8]) -> Vec<Row> {
    let mut decoder = Decoder::default();
    let mut rows = Vec::new();
    let micros = |time: Option<PgTimestamp>| time.map(|time| time.0);
    while let Some(row) = decoder.next_row(&mut bytes).unwrap() {
        rows.push(Row {
            id: row.id.map(Uuid::from_bytes),
            endpoint_id: row.endpoint_id.map(Uuid::from_bytes),
            status: row.status.map(str::to_owned),
            attempt_count: row.attempt_count,
            created_at: micros(row.created_at),
            delivered_at: micros(row.delivered_at),
            next_attempt_at: micros(row.next_attempt_at),
            response_status: row.response_status,
            response_latency_ms: row.response_latency_ms,
            total_delivery_ms: row.total_delivery_ms,
            last_error: row.last_error.map(str::to_owned),
            url: row.url.map(str::to_owned),
        });
    }
    assert!(decoder.is_finished(), "the stream broke off");
    assert!(bytes.is_empty(), "bytes behind its end");
    rows
}

/// A session that has begun, and its snapshot.
pub(crate) async fn begin(source: &Source) -> (SourceSession, SnapshotId) {
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let snapshot = session.export_snapshot().await.unwrap();
    (session, snapshot)
}

/// Another session, in that snapshot.
pub(crate) async fn join(source: &Source, snapshot: &SnapshotId) -> Result<SourceSession, Error> {
    let mut session = source.open_session().await?;
    session.join(&project(), snapshot).await?;
    Ok(session)
}

/// URLs that the reader knows: the rows have none.
pub(crate) fn known_urls() -> EndpointUrls {
    EndpointUrls::All(HashMap::new())
}

/// The rows of a session that has begun.
pub(crate) async fn read(
    session: &mut SourceSession,
    filter: &MessageFilter,
    urls: &EndpointUrls,
) -> Vec<Row> {
    try_read(session, filter, urls).await.unwrap()
}

pub(crate) async fn try_read(
    session: &mut SourceSession,
    filter: &MessageFilter,
    urls: &EndpointUrls,
) -> Result<Vec<Row>, Error> {
    let slice = TimeSlice::whole(&filter.range);
    let mut rows = session.rows(filter, slice, urls).await?;
    let mut bytes = Vec::new();
    while rows.read(&mut bytes, usize::MAX).await? {}
    assert!(
        !rows.read(&mut bytes, usize::MAX).await?,
        "the end is the end"
    );
    Ok(decode(&bytes))
}

/// Begins to read all of a session's rows.
pub(crate) async fn start_reading(session: &mut SourceSession) -> CopyStream<'_> {
    let slice = TimeSlice::whole(&filter().range);
    let mut rows = session.rows(&filter(), slice, &known_urls()).await.unwrap();
    assert!(rows.read(&mut Vec::new(), 1).await.unwrap());
    rows
}

/// The rows of a filter of [`PROJECT`], in a session of its own.
pub(crate) async fn read_all(
    source: &Source,
    filter: &MessageFilter,
    urls: &EndpointUrls,
) -> Vec<Row> {
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let rows = read(&mut session, filter, urls).await;
    session.finish().await.unwrap();
    rows
}

#[tokio::test]
async fn a_session_serves_one_export_after_the_other() {
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
            assert_eq!(rows[0].id, Some(expected), "of its own project");
            session = session.finish().await.unwrap();
        }
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%nonce%' AND pid <> pg_backend_pid()";
    assert_eq!(
        database.value(sessions).await,
        json!(1),
        "one connection did it all"
    );
}

/// Finishes a session that was left in the middle. It may not hang, and if it comes back it has to
/// read an export's rows as any other.
async fn assert_refused_or_in_step(session: SourceSession, rows: usize) {
    let finished = tokio::time::timeout(TIMEOUT, session.finish()).await;
    if let Ok(mut session) = finished.expect("an answer") {
        session.begin(&project()).await.unwrap();
        let read = read(&mut session, &filter(), &known_urls()).await;
        assert_eq!(read.len(), rows);
        session.finish().await.unwrap();
    }
}

/// `finish` takes the session and gives it back only if it is in step. One that was left in the
/// middle of a COPY is not: were it given back, the next export would read this one's rows.
#[tokio::test]
async fn a_session_that_was_not_read_to_its_end_never_comes_back_out_of_step() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 20_000).await;
    leave_in_the_middle(&Source::same_as(&database.storage()), 20_000).await;
}

/// Leaves sessions in the middle of so many rows of [`PROJECT`].
pub(crate) async fn leave_in_the_middle(source: &Source, rows: usize) {
    for reads in [0, 1, 2, 100] {
        let mut session = source.open_session().await.unwrap();
        session.begin(&project()).await.unwrap();
        let slice = TimeSlice::whole(&filter().range);
        let mut copy = session.rows(&filter(), slice, &known_urls()).await.unwrap();
        for _ in 0..reads {
            assert!(copy.read(&mut Vec::new(), 1000).await.unwrap());
        }
        assert_refused_or_in_step(session, rows).await;
    }
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
    eventually("the server has noticed", TIMEOUT, async || {
        (database.value(copies).await == json!(0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_copy_that_fails_is_an_error_and_its_session_never_comes_back_out_of_step() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 3000).await;
    // After 2,400 good rows, one that cannot be computed.
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
async fn a_session_outlasts_the_pools_statement_timeout() {
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
    assert_eq!(settings, [json!({"here": true})], "its snapshot is held");
    // A view that takes longer than a pooled statement may take would need ten seconds here;
    // the limits themselves are read instead, through a view of them.
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
    // Only from PostgreSQL 17 on.
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
async fn a_source_that_is_away_is_an_error_soon() {
    let database = database().await;
    let url = database.url_of("exports_test_no_such_database");
    let source = Source::at(
        &url,
        &database.storage(),
        exports_postgres::PoolPurpose::Api,
    )
    .unwrap();
    let opened = tokio::time::timeout(Duration::from_secs(10), source.open_session()).await;
    let error = opened.expect("soon").unwrap_err();
    assert_eq!(error.sql_state().as_deref(), Some("3D000"), "{error:?}");
}
