//! Tables of the operator behind two views: rows with any value that the types allow.

use std::collections::HashMap;

use exports_domain::{Choice, Direction, EndpointId, MessageFilter, MessageStatus};
use exports_source::EndpointUrls;
use exports_source::Source;
use exports_tests::{TestDatabase, uuid};
use uuid::Uuid;

use crate::support::sessions::{Row, known_urls, read, try_read};
use crate::support::{PROJECT, filter, project};

/// Tables with other types behind views with the names of the source; migrated afterwards.
async fn database_with_views() -> TestDatabase {
    let database = TestDatabase::empty().await;
    database
        .execute(
            "CREATE TYPE way AS ENUM ('outbound', 'inbound', 'sideways');
             CREATE TYPE progress AS ENUM ('queued', 'delivering', 'succeeded', 'pending_retry', 'failed_permanent', 'on holiday');
             CREATE TABLE hook (key uuid, tenant varchar(80), way way, address varchar(200), since timestamptz);
             CREATE TABLE event (key uuid, tenant varchar(80), way way, hook uuid, progress progress, tries smallint,
                                 at timestamptz, done timestamptz, next timestamptz, code smallint, ms bigint, total bigint, problem varchar);
             CREATE VIEW endpoints AS SELECT key AS id, tenant AS project_id, way AS direction, address AS url, since AS created_at FROM hook;
             CREATE VIEW messages AS SELECT key AS id, tenant AS project_id, way AS direction, hook AS endpoint_id, progress AS status,
                 tries AS attempt_count, at AS created_at, done AS delivered_at, next AS next_attempt_at, code AS response_status,
                 ms AS response_latency_ms, total AS total_delivery_ms, problem AS last_error FROM event",
        )
        .await;
    database.storage().migrate().await.unwrap();
    database.project(PROJECT).await;
    database
}

async fn read_with_urls(database: &TestDatabase, filter: &MessageFilter) -> Vec<Row> {
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let urls = session.endpoint_urls(filter.direction, 100).await.unwrap();
    let EndpointUrls::All(urls) = urls else {
        panic!("the endpoints are below the limit")
    };
    let mut known = read(&mut session, filter, &known_urls()).await;
    let mut joined = read(&mut session, filter, &EndpointUrls::InRows).await;
    session.finish().await.unwrap();
    // A missing URL and an empty URL are equal in the file.
    for row in &mut known {
        let url = row.endpoint_id.and_then(|id| urls.get(&id).cloned());
        row.url = Some(url.unwrap_or_default());
    }
    for row in &mut joined {
        row.url = Some(row.url.take().unwrap_or_default());
    }
    assert_eq!(known, joined, "preloaded and joined URLs are equal");
    joined
}

#[tokio::test]
async fn enums_varchars_and_other_integer_widths_are_read() {
    let database = database_with_views().await;
    let (message, endpoint) = (uuid(1), uuid(2));
    database
        .execute(format!(
            "INSERT INTO hook VALUES ('{endpoint}', '{PROJECT}', 'outbound', 'https://one.example', now());
             INSERT INTO event VALUES
             ('{message}', '{PROJECT}', 'outbound', '{endpoint}', 'pending_retry', 3, '2025-12-03', NULL, NULL, 503, 12, NULL, 'late');
             INSERT INTO event (key, tenant, way, hook, progress, tries, at) VALUES
             (gen_random_uuid(), '{PROJECT}', 'sideways', '{endpoint}', 'queued', 0, '2025-12-03'),
             (gen_random_uuid(), '{PROJECT}', 'inbound', '{endpoint}', 'pending_retry', 0, '2025-12-03')"
        ))
        .await;
    let filter = MessageFilter {
        status: Choice::One(MessageStatus::PendingRetry),
        endpoint: Choice::One(EndpointId(endpoint)),
        ..filter()
    };
    let rows = read_with_urls(&database, &filter).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!((row.id, row.attempt_count), (Some(message), Some(3)));
    assert_eq!(
        (row.response_status, row.response_latency_ms),
        (Some(503), Some(12))
    );
    assert_eq!(row.status.as_deref(), Some("pending_retry"));
    assert_eq!(row.url.as_deref(), Some("https://one.example"));

    let source = Source::same_as(&database.storage());
    let (out, id) = (Direction::Outbound, EndpointId(endpoint));
    assert!(source.has_endpoints(&project(), out, &[id]).await.unwrap());
    assert!(
        !source
            .has_endpoints(&project(), Direction::Inbound, &[id])
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn nulls_and_infinite_times_are_read_as_stored() {
    let database = database_with_views().await;
    database
        .execute(format!(
            "INSERT INTO event (tenant, way, at, done, next, progress) VALUES
             ('{PROJECT}', 'outbound', '2025-12-01', 'infinity', '-infinity', 'on holiday'),
             ('{PROJECT}', 'outbound', '2025-12-02', '0044-03-15 BC', '294276-12-31 23:59:59.999999', NULL),
             ('{PROJECT}', 'outbound', 'infinity', NULL, NULL, NULL),
             ('{PROJECT}', 'outbound', '-infinity', NULL, NULL, NULL),
             ('{PROJECT}', 'outbound', NULL, NULL, NULL, NULL),
             ('{PROJECT}', NULL, '2025-12-03', NULL, NULL, NULL),
             (NULL, 'outbound', '2025-12-03', NULL, NULL, NULL)"
        ))
        .await;
    let rows = read_with_urls(&database, &filter()).await;
    // Only the rows whose time is in the range.
    assert_eq!(rows.len(), 2, "{rows:?}");
    let infinite = &rows[0];
    assert_eq!(
        (infinite.id, infinite.endpoint_id, infinite.attempt_count),
        (None, None, None)
    );
    assert_eq!(infinite.delivered_at, Some(i64::MAX));
    assert_eq!(infinite.next_attempt_at, Some(i64::MIN));
    assert_eq!(infinite.status.as_deref(), Some("on holiday"));
    let far = &rows[1];
    assert!(far.delivered_at.unwrap() < -64_000_000_000_000_000);
    assert_eq!(far.next_attempt_at, Some(9_223_371_331_199_999_999));
    assert_eq!(far.status, None);
}

#[tokio::test]
async fn a_duplicate_message_is_read_as_two_rows() {
    let database = database_with_views().await;
    let id = uuid(1);
    for _ in 0..2 {
        database
            .execute(format!(
                "INSERT INTO event (key, tenant, way, at) VALUES ('{id}', '{PROJECT}', 'outbound', '2025-12-03')"
            ))
            .await;
    }
    let rows = read_with_urls(&database, &filter()).await;
    assert_eq!(
        rows.iter().map(|row| row.id).collect::<Vec<_>>(),
        [Some(id), Some(id)]
    );
}

#[tokio::test]
async fn the_newest_row_of_a_duplicate_endpoint_gives_the_url() {
    let database = database_with_views().await;
    let cases: [(u128, &str); 6] = [
        (
            1,
            "('https://old', '2025-01-01'), ('https://new', '2025-06-01')",
        ),
        (2, "('https://new', '2025-06-01'), ('https://none', NULL)"),
        (
            3,
            "('https://b', '2025-06-01'), ('https://a', '2025-06-01')",
        ),
        (4, "(NULL, '2025-06-01'), ('https://a', '2025-06-01')"),
        (5, "('https://old', '2025-06-01'), (NULL, 'infinity')"),
        (6, "('https://b', NULL), ('https://a', NULL), (NULL, NULL)"),
    ];
    for (number, rows) in cases {
        let id = uuid(number);
        database
            .execute(format!(
                "INSERT INTO hook SELECT '{id}', '{PROJECT}', 'outbound', address, since::timestamptz FROM (VALUES {rows}) each (address, since);
                 INSERT INTO event (key, tenant, way, hook, at) VALUES ('{id}', '{PROJECT}', 'outbound', '{id}', '2025-12-03')"
            ))
            .await;
    }
    database
        .execute(format!(
            "INSERT INTO hook VALUES (NULL, '{PROJECT}', 'outbound', 'https://nobody', now())"
        ))
        .await;
    let rows = read_with_urls(&database, &filter()).await;
    assert_eq!(rows.len(), cases.len(), "one row for each message");
    let urls: HashMap<Uuid, String> = rows
        .into_iter()
        .map(|row| (row.id.unwrap(), row.url.unwrap()))
        .collect();
    let expected = [
        (1, "https://new"),
        (2, "https://new"),
        (3, "https://a"),
        (4, "https://a"),
        (5, ""),
        (6, "https://a"),
    ];
    let expected = expected.map(|(number, url)| (uuid(number), url.to_owned()));
    assert_eq!(urls, HashMap::from(expected));
}

#[tokio::test]
async fn an_out_of_range_value_is_a_data_error() {
    let database = database_with_views().await;
    database
        .execute(format!(
            "INSERT INTO event (key, tenant, way, at, ms) VALUES (gen_random_uuid(), '{PROJECT}', 'outbound', '2025-12-03', 3000000000)"
        ))
        .await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let read = try_read(&mut session, &filter(), &known_urls()).await;
    let error = read.unwrap_err();
    assert_eq!(error.sql_state().as_deref(), Some("22003"), "{error:?}");
    assert!(error.is_data());
}
