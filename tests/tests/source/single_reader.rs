//! Sources that several sessions cannot read under one snapshot: they are detected in the catalogue and read by one session.

use exports_source::Estimate;
use exports_source::Source;
use exports_tests::{Message, TestDatabase};

use crate::support::{PROJECT, database, filter, project};

/// The messages in the table `stored`, and objects that a view can use.
async fn stored() -> TestDatabase {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 5_000).await;
    database
        .execute(
            "ALTER TABLE messages RENAME TO stored;
             CREATE FUNCTION shown(text) RETURNS text LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1; END';
             CREATE FUNCTION looked_up(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
             CREATE FUNCTION shortened(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT left($1, 80)';
             CREATE FUNCTION same(text, text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1 = $2; END';
             CREATE OPERATOR ~== (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
             CREATE FOREIGN DATA WRAPPER elsewhere;
             CREATE SERVER far FOREIGN DATA WRAPPER elsewhere;
             CREATE FOREIGN TABLE far_stored (id uuid, created_at timestamptz) SERVER far;
             CREATE TABLE parted (LIKE stored) PARTITION BY RANGE (created_at);
             CREATE FOREIGN TABLE far_part PARTITION OF parted FOR VALUES FROM ('2024-01-01Z') TO ('2025-01-01Z') SERVER far;
             CREATE TABLE near_part PARTITION OF parted FOR VALUES FROM ('2025-01-01Z') TO ('2026-01-01Z');
             CREATE MATERIALIZED VIEW kept AS SELECT *, now() AS made FROM stored",
        )
        .await;
    database
}

/// The single-reader reason that the catalogue reports for a view with this query, if any.
async fn reason(database: &TestDatabase, view: &str) -> Option<String> {
    database
        .execute(format!(
            "DROP VIEW IF EXISTS messages; CREATE VIEW messages AS {view}"
        ))
        .await;
    let session = Source::same_as(&database.storage()).open_session().await;
    session.unwrap().catalogue().single_reader_reason()
}

#[tokio::test]
async fn session_dependent_parts_of_a_view_are_found_at_every_depth() {
    let database = stored().await;
    let cases = [
        (
            "SELECT s.* FROM stored s WHERE id IN (SELECT id FROM far_stored)",
            "far_stored has a foreign table",
        ),
        ("SELECT * FROM parted", "far_part has a foreign table"),
        (
            "SELECT *, shown(last_error) AS other FROM stored",
            "shown(text)",
        ),
        (
            "SELECT *, looked_up(last_error) AS other FROM stored",
            "looked_up(text)",
        ),
        (
            "SELECT * FROM stored WHERE last_error ~== 'x'",
            "same(text,text)",
        ),
        ("SELECT *, random() AS other FROM stored", "random()"),
        (
            "SELECT *, nextval('s') AS other FROM stored",
            "nextval(regclass)",
        ),
        (
            "SELECT * FROM stored WHERE created_at < now() - interval '1 hour'",
            "now()",
        ),
        (
            "SELECT * FROM stored WHERE created_at < CURRENT_DATE",
            "the current time",
        ),
        (
            "SELECT * FROM stored WHERE created_at < LOCALTIMESTAMP",
            "the current time",
        ),
        ("SELECT * FROM stored LIMIT 100", "LIMIT or OFFSET"),
        (
            "SELECT * FROM (SELECT * FROM stored OFFSET 1) few",
            "LIMIT or OFFSET",
        ),
        ("SELECT DISTINCT ON (id) * FROM stored", "DISTINCT ON"),
        (
            "SELECT *, row_number() OVER () AS other FROM stored",
            "a window function",
        ),
        (
            "SELECT * FROM stored TABLESAMPLE bernoulli (50)",
            "TABLESAMPLE",
        ),
        (
            "WITH few AS (SELECT * FROM stored LIMIT 1) SELECT * FROM few",
            "LIMIT or OFFSET",
        ),
        (
            "SELECT s.* FROM stored s JOIN LATERAL generate_series(1, 1) n ON random() < 2",
            "random()",
        ),
    ];
    database.execute("CREATE SEQUENCE s").await;
    for (view, expected) in cases {
        let reason = reason(&database, view).await.unwrap_or_default();
        assert!(reason.contains(expected), "{view}: {reason}");
    }
    // Below another view.
    database
        .execute("CREATE VIEW below AS SELECT * FROM stored WHERE random() < 2")
        .await;
    let found = reason(&database, "SELECT * FROM below").await;
    assert_eq!(found.as_deref(), Some("below has the function random()"));
}

#[tokio::test]
async fn views_that_a_snapshot_covers_have_no_single_reader_reason() {
    let database = stored().await;
    for view in [
        "SELECT * FROM stored",
        "SELECT *, shortened(last_error) AS other, to_char(created_at, 'YYYY') AS year FROM stored",
        "SELECT * FROM stored UNION ALL SELECT * FROM stored",
        "SELECT s.* FROM stored s JOIN endpoints e ON e.id = s.endpoint_id WHERE s.created_at > '2020-01-01'::timestamp",
        "SELECT *, (SELECT count(*) FROM endpoints) AS other FROM stored WHERE current_user <> 'x'",
        "SELECT * FROM kept",
        "SELECT * FROM near_part",
    ] {
        assert_eq!(reason(&database, view).await, None, "{view}");
    }
}

#[tokio::test]
async fn a_session_dependent_endpoints_view_requires_a_single_reader() {
    let database = stored().await;
    database
        .execute(
            "ALTER TABLE stored RENAME TO messages; ALTER TABLE endpoints RENAME TO hooks;
             CREATE VIEW endpoints AS SELECT * FROM hooks LIMIT 1000",
        )
        .await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin_reading(&project(), &filter()).await.unwrap();
    let outlook = session.estimate(&filter(), 100).await.unwrap();
    let reason = "endpoints has LIMIT or OFFSET".to_owned();
    assert_eq!(outlook, Estimate::SingleStatement(reason));
}

/// An open session has inspected the old view.
#[tokio::test]
async fn a_replaced_view_is_inspected_again() {
    let database = stored().await;
    assert_eq!(reason(&database, "SELECT * FROM stored").await, None);
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin_reading(&project(), &filter()).await.unwrap();
    let before = session.estimate(&filter(), 100).await.unwrap();
    assert!(
        !matches!(before, Estimate::SingleStatement(_)),
        "{before:?}"
    );
    session.commit_if_unchanged().await.unwrap();
    let mut session = session.finish().await.unwrap();
    database
        .execute("CREATE OR REPLACE VIEW messages AS SELECT * FROM stored WHERE random() < 2")
        .await;
    session.begin_reading(&project(), &filter()).await.unwrap();
    let after = session.estimate(&filter(), 100).await.unwrap();
    assert!(matches!(after, Estimate::SingleStatement(_)), "{after:?}");
    session.commit_if_unchanged().await.unwrap();
}

/// The table of a subscriber is empty until its initial copy commits, and then has all rows at once.
#[tokio::test]
async fn an_unfinished_initial_table_copy_is_a_retryable_error() {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 10).await;
    let source = Source::same_as(&database.storage());
    // A subscription that does not connect needs no publisher.
    database
        .execute(
            "CREATE SUBSCRIPTION copying CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p
             WITH (connect = false, slot_name = NONE, enabled = false);
             INSERT INTO pg_subscription_rel SELECT oid, 'messages'::regclass, 'd', NULL FROM pg_subscription
             WHERE subname = 'copying' AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .await;
    let mut session = source.open_session().await.unwrap();
    let error = session.begin_reading(&project(), &filter()).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("messages"), "{error}");
    assert!(error.is_transient());
    database
        .execute("UPDATE pg_subscription_rel SET srsubstate = 'r'")
        .await;
    let mut session = source.open_session().await.unwrap();
    session.begin_reading(&project(), &filter()).await.unwrap();
    session.commit_if_unchanged().await.unwrap();
    database.execute("DROP SUBSCRIPTION copying").await;
}
