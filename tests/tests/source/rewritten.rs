//! Tables that are reloaded, rewritten, swapped or exchanged when an export begins or reads: the rows are of one state, or the
//! attempt fails with a retryable error.

use exports_source::Error;
use exports_source::Source;
use exports_source::{EndpointUrls, SourceSession};
use exports_tests::{Endpoint, TIMEOUT, TestDatabase, eventually, uuid};
use serde_json::json;
use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::sessions::{join, known_urls, read};
use crate::support::{PROJECT, database, filter, project};

const ROWS: i32 = 5_000;

/// [`ROWS`] messages over three days, with one endpoint.
async fn filled() -> TestDatabase {
    let database = database().await;
    let endpoint = Endpoint::outbound(PROJECT, uuid(0), "https://example.com/hook");
    Endpoint::insert(database.pool(), &[endpoint]).await;
    fill(&database, "messages").await;
    database
}

async fn fill(database: &TestDatabase, table: &str) {
    database
        .execute(format!(
            "INSERT INTO {table} (id, project_id, direction, endpoint_id, status, attempt_count, created_at)
             SELECT md5(n::text)::uuid, '{PROJECT}', 'outbound', '{}', 'succeeded', 1, timestamptz '2025-12-02Z' + n * interval '50 s'
             FROM generate_series(0, {ROWS} - 1) n",
            uuid(0)
        ))
        .await;
}

/// Moves the messages into partitions by day.
const PARTITIONED: &str = "
    ALTER TABLE messages RENAME TO whole;
    CREATE TABLE messages (LIKE whole INCLUDING DEFAULTS) PARTITION BY RANGE (created_at);
    CREATE TABLE first_days PARTITION OF messages FOR VALUES FROM ('2025-12-01Z') TO ('2025-12-03Z');
    CREATE TABLE other_days PARTITION OF messages FOR VALUES FROM ('2025-12-03Z') TO ('2026-01-01Z');
    CREATE INDEX ON messages (project_id, direction, created_at, id);
    INSERT INTO messages SELECT * FROM whole;
    DROP TABLE whole";

const VIEW_OF: &str = "
    ALTER TABLE messages RENAME TO stored;
    CREATE VIEW messages AS SELECT * FROM stored";

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Reads all rows of the project. Returns the numbers of rows and of endpoints.
async fn read_all(session: &mut SourceSession) -> (usize, usize) {
    let filter = filter();
    let urls = session.endpoint_urls(filter.direction, 10).await.unwrap();
    let EndpointUrls::All(urls) = urls else {
        panic!("the endpoints are below the limit")
    };
    let rows = read(session, &filter, &known_urls()).await;
    (rows.len(), urls.len())
}

/// Makes a change in a transaction, begins an export that waits for its lock, commits, and returns
/// what the export reads.
async fn read_beside(database: &TestDatabase, source: Source, change: &str) -> (usize, usize) {
    let mut changing = database.connect().await;
    // The session was opened before the change.
    let mut session = source.open_session().await.unwrap();
    run(&mut changing, &format!("BEGIN; {change}")).await;
    let reading = tokio::spawn(async move {
        session.begin_reading(&project(), &filter()).await.unwrap();
        let read = read_all(&mut session).await;
        session.commit_if_unchanged().await.unwrap();
        read
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("the export waits for the lock", TIMEOUT, async || {
        (database.value(waiting).await == json!(1)).then_some(())
    })
    .await;
    run(&mut changing, "COMMIT").await;
    tokio::time::timeout(TIMEOUT, reading)
        .await
        .expect("the export continues")
        .unwrap()
}

#[tokio::test]
async fn an_export_that_waits_for_a_schema_change_reads_all_rows() {
    let reload =
        "CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM messages; TRUNCATE messages;
                  INSERT INTO messages SELECT * FROM copy";
    let cases = [
        ("tables are reloaded", "", reload),
        (
            "endpoints are reloaded",
            "",
            "CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM endpoints; TRUNCATE endpoints;
             INSERT INTO endpoints SELECT * FROM copy",
        ),
        (
            "a column has another type",
            "",
            "ALTER TABLE messages ALTER COLUMN attempt_count TYPE bigint",
        ),
        (
            "another table takes the name",
            "",
            "CREATE TABLE fresh (LIKE messages INCLUDING ALL); INSERT INTO fresh SELECT * FROM messages;
             ALTER TABLE messages RENAME TO old; ALTER TABLE fresh RENAME TO messages",
        ),
        (
            "a view takes the name",
            "",
            "ALTER TABLE messages RENAME TO old; CREATE VIEW messages AS SELECT * FROM old",
        ),
        (
            "a table takes a view's name",
            VIEW_OF,
            "CREATE TABLE fresh (LIKE stored INCLUDING ALL); INSERT INTO fresh SELECT * FROM stored;
             DROP VIEW messages; ALTER TABLE fresh RENAME TO messages",
        ),
        (
            "the table below a view is reloaded",
            VIEW_OF,
            "CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM stored; TRUNCATE stored; INSERT INTO stored SELECT * FROM copy",
        ),
        (
            "a view is replaced by one of another table",
            VIEW_OF,
            "CREATE TABLE fresh (LIKE stored INCLUDING ALL); INSERT INTO fresh SELECT * FROM stored;
             CREATE OR REPLACE VIEW messages AS SELECT * FROM fresh; TRUNCATE stored",
        ),
        (
            "a partition is exchanged",
            PARTITIONED,
            "CREATE TABLE fresh (LIKE first_days INCLUDING ALL); INSERT INTO fresh SELECT * FROM first_days;
             ALTER TABLE messages DETACH PARTITION first_days;
             ALTER TABLE messages ATTACH PARTITION fresh FOR VALUES FROM ('2025-12-01Z') TO ('2025-12-03Z')",
        ),
        (
            "a partition alone is reloaded",
            PARTITIONED,
            "CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM first_days; TRUNCATE first_days;
             INSERT INTO first_days SELECT * FROM copy",
        ),
        (
            "a partition below a view is reloaded",
            &[PARTITIONED, VIEW_OF].join(";"),
            "CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM first_days; TRUNCATE first_days;
             INSERT INTO first_days SELECT * FROM copy",
        ),
        (
            "a child table is reloaded",
            "ALTER TABLE messages RENAME TO stored; CREATE TABLE messages (LIKE stored); ALTER TABLE stored INHERIT messages",
            "CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM stored; TRUNCATE stored; INSERT INTO stored SELECT * FROM copy",
        ),
        (
            "a materialized view is refreshed",
            "ALTER TABLE messages RENAME TO stored; CREATE MATERIALIZED VIEW messages AS SELECT * FROM stored",
            "REFRESH MATERIALIZED VIEW messages",
        ),
        (
            "a table is clustered",
            "",
            "CLUSTER messages USING messages_export",
        ),
    ];
    for (what, arrange, change) in cases {
        let database = filled().await;
        database.execute(arrange).await;
        let source = Source::same_as(&database.storage());
        let read = read_beside(&database, source, change).await;
        assert_eq!(read, (5_000, 1), "{what}");
    }
}

/// A role with column privileges only cannot lock the table, and does not try to.
#[tokio::test]
async fn an_export_without_lock_privilege_reads_all_rows() {
    let database = filled().await;
    let (name, url) = database.role("columns").await;
    database
        .execute(format!(
            "GRANT SELECT (id, project_id, direction, endpoint_id, status, attempt_count, created_at, delivered_at, next_attempt_at,
                           response_status, response_latency_ms, total_delivery_ms, last_error) ON messages TO \"{name}\";
             GRANT SELECT (id, project_id, direction, url, created_at) ON endpoints TO \"{name}\""
        ))
        .await;
    let purpose = exports_postgres::PoolPurpose::Command;
    let source = Source::at(&url, &database.storage(), purpose).unwrap();
    let reload = "CREATE TEMP TABLE copy ON COMMIT DROP AS SELECT * FROM messages; TRUNCATE messages; INSERT INTO messages SELECT * FROM copy";
    assert_eq!(read_beside(&database, source, reload).await, (5_000, 1));
}

/// Attaching does not wait for readers: only a part of the file would contain the new rows.
#[tokio::test]
async fn attaching_a_partition_in_the_range_fails_the_attempt() {
    let database = filled().await;
    database.execute(PARTITIONED).await;
    database
        .execute(
            "ALTER TABLE messages DETACH PARTITION first_days;
             CREATE TABLE another (LIKE messages INCLUDING ALL)",
        )
        .await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    let beside = "ALTER TABLE messages ATTACH PARTITION another FOR VALUES FROM ('2030-01-01Z') TO ('2031-01-01Z')";
    let within = "ALTER TABLE messages ATTACH PARTITION first_days FOR VALUES FROM ('2025-12-01Z') TO ('2025-12-03Z')";
    for (attach, is_noticed) in [(beside, false), (within, true)] {
        session.begin_reading(&project(), &filter()).await.unwrap();
        read_all(&mut session).await;
        database.execute(attach).await;
        let confirmed = session.commit_if_unchanged().await;
        if is_noticed {
            let error = confirmed.unwrap_err();
            assert!(matches!(error, Error::Changed { .. }), "{error:?}");
            assert!(error.is_transient());
            break;
        }
        confirmed.expect("a partition outside the range is ignored");
        session = session.finish().await.unwrap();
    }
}

/// A concurrent detach has two transactions: after the first, new snapshots exclude the partition, and
/// the second waits for the old snapshots.
#[tokio::test]
async fn a_partition_detached_concurrently_is_read_completely() {
    let database = filled().await;
    database.execute(PARTITIONED).await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin_reading(&project(), &filter()).await.unwrap();
    let mut detaching = database.connect().await;
    let detach = tokio::spawn(async move {
        let detach = "ALTER TABLE messages DETACH PARTITION first_days CONCURRENTLY";
        run(&mut detaching, detach).await;
    });
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    eventually("the first transaction has committed", TIMEOUT, async || {
        (database.value(pending).await == json!(1)).then_some(())
    })
    .await;
    assert_eq!(read_all(&mut session).await, (5_000, 1));
    session.commit_if_unchanged().await.unwrap();
    tokio::time::timeout(TIMEOUT, detach)
        .await
        .expect("the detach finishes after the export")
        .unwrap();
    let mut session = session.finish().await.unwrap();
    session.begin_reading(&project(), &filter()).await.unwrap();
    let (rows, _) = read_all(&mut session).await;
    assert!(rows < 5_000, "{rows}");
    session.commit_if_unchanged().await.unwrap();
}

/// `search_path` begins with the schema that has the name of the role.
#[tokio::test]
async fn a_new_table_earlier_in_the_search_path_fails_the_attempt() {
    let database = filled().await;
    for arrange in ["SELECT", VIEW_OF] {
        database.execute(arrange).await;
        let source = Source::same_as(&database.storage());
        let mut session = source.open_session().await.unwrap();
        session.begin_reading(&project(), &filter()).await.unwrap();
        assert_eq!(read_all(&mut session).await, (5_000, 1));
        database
            .execute(
                "DO $$ BEGIN EXECUTE format('CREATE SCHEMA %I', current_user); END $$;
                 DO $$ BEGIN EXECUTE format('CREATE TABLE %I.messages (LIKE public.messages)', current_user); END $$",
            )
            .await;
        let error = session.commit_if_unchanged().await.unwrap_err();
        assert!(matches!(error, Error::Changed { .. }), "{error:?}");
        // The next export reads the new table.
        let mut session = session.finish().await.unwrap();
        session.begin_reading(&project(), &filter()).await.unwrap();
        assert_eq!(read_all(&mut session).await, (0, 1));
        session.commit_if_unchanged().await.unwrap();
        database
            .execute("DO $$ BEGIN EXECUTE format('DROP SCHEMA %I CASCADE', current_user); END $$")
            .await;
    }
}

/// The lock is held from the beginning to the end of the export.
#[tokio::test]
async fn source_tables_cannot_be_truncated_during_an_export() {
    let database = filled().await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin_reading(&project(), &filter()).await.unwrap();
    let mut other = database.connect().await;
    run(&mut other, "SET lock_timeout = '50 ms'").await;
    for table in ["messages", "endpoints"] {
        let truncate = sqlx::raw_sql(AssertSqlSafe(format!("TRUNCATE {table}")));
        let error = truncate.execute(&mut other).await.unwrap_err();
        let code = error.as_database_error().and_then(DatabaseError::code);
        assert_eq!(code.as_deref(), Some("55P03"), "{error}");
    }
    assert_eq!(read_all(&mut session).await, (5_000, 1));
    session.commit_if_unchanged().await.unwrap();
    run(&mut other, "TRUNCATE messages").await;
}

/// A rewrite that waits for an export precedes others in the lock queue: a joining reader that waited
/// for the rewrite would deadlock with the export.
#[tokio::test]
async fn a_joining_reader_does_not_wait_behind_a_pending_table_lock() {
    let of_view = "ALTER TABLE messages RENAME TO stored; CREATE MATERIALIZED VIEW messages AS SELECT * FROM stored";
    let cases = [
        ("SELECT", "TRUNCATE messages"),
        (VIEW_OF, "TRUNCATE stored"),
        (PARTITIONED, "TRUNCATE first_days"),
        (of_view, "REFRESH MATERIALIZED VIEW messages"),
    ];
    for (arrange, rewrite) in cases {
        let database = filled().await;
        database.execute(arrange).await;
        let source = Source::same_as(&database.storage());
        let mut session = source.open_session().await.unwrap();
        session.begin_reading(&project(), &filter()).await.unwrap();
        let snapshot = session.export_snapshot().await.unwrap();
        let mut joined = join(&source, &snapshot).await.unwrap();

        let mut rewriting = database.connect().await;
        let rewritten = tokio::spawn(async move { run(&mut rewriting, rewrite).await });
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("the rewrite waits", TIMEOUT, async || {
            (database.value(waiting).await == json!(1)).then_some(())
        })
        .await;
        let refused = tokio::time::timeout(TIMEOUT, join(&source, &snapshot)).await;
        let refused = refused.expect("joining does not wait").unwrap_err();
        assert_eq!(refused.sql_state().as_deref(), Some("55P03"), "{rewrite}");
        // The reader that joined before continues.
        let rows = read(&mut joined, &filter(), &known_urls()).await;
        assert_eq!(rows.len(), 5_000, "{rewrite}");
        assert_eq!(read_all(&mut session).await, (5_000, 1), "{rewrite}");
        joined.finish().await.unwrap();
        session.commit_if_unchanged().await.unwrap();
        tokio::time::timeout(TIMEOUT, rewritten)
            .await
            .expect("the rewrite continues")
            .unwrap();
    }
}

/// Only partitions that match the filter are planned and locked.
#[tokio::test]
async fn only_the_partitions_of_the_project_are_locked() {
    let database = database().await;
    database
        .execute(
            "ALTER TABLE messages RENAME TO whole;
             CREATE TABLE messages (LIKE whole INCLUDING DEFAULTS) PARTITION BY LIST (project_id);
             CREATE INDEX ON messages (project_id, direction, created_at, id);
             DO $$ BEGIN FOR n IN 1..200 LOOP
                 EXECUTE format('CREATE TABLE of_%s PARTITION OF messages FOR VALUES IN (%L)', n, 'proj_' || n);
             END LOOP; END $$;
             CREATE TABLE of_a PARTITION OF messages FOR VALUES IN ('proj_a')",
        )
        .await;
    fill(&database, "messages").await;
    for arrange in ["SELECT", VIEW_OF] {
        database.execute(arrange).await;
        let source = Source::same_as(&database.storage());
        let mut session = source.open_session().await.unwrap();
        session.begin_reading(&project(), &filter()).await.unwrap();
        session.estimate(&filter(), 100).await.unwrap();
        assert_eq!(read_all(&mut session).await, (5_000, 0));
        let locked = "SELECT count(DISTINCT relation) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                      WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                        AND c.relispartition AND c.relkind = 'r' AND l.pid <> pg_backend_pid()";
        assert_eq!(database.value(locked).await, json!(1), "{arrange}");
        session.commit_if_unchanged().await.unwrap();
    }
}
