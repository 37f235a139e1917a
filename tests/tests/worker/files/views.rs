//! Views on an operator's own tables, and a separate source database.

use std::collections::HashMap;

use exports_domain::{Choice, Direction, FailureCode, MessageFilter, MessageStatus};
use exports_tests::{Message, StoreKind, TestDatabase, uuid};

use crate::rows::{OUTBOUND_HEADER, Row, file_of};
use crate::support::{Fixture, PROJECT, everything};

/// An operator's own tables, with other types and without constraints, and two views with the expected columns.
const OPERATORS_OWN: &str = "
    CREATE TYPE delivery AS ENUM ('queued', 'succeeded');
    CREATE TABLE attempts (
        id uuid, tenant varchar(80), way varchar(10), hook uuid, state delivery, tries int4, made timestamptz,
        done timestamptz, next timestamptz, http int4, ms int4, error varchar(200));
    CREATE TABLE hooks (id uuid, tenant varchar(80), way varchar(10), address varchar(200), made timestamptz);
    CREATE VIEW messages AS SELECT id, tenant AS project_id, way AS direction, hook AS endpoint_id, state AS status,
        tries AS attempt_count, made AS created_at, done AS delivered_at, next AS next_attempt_at,
        http AS response_status, ms AS response_latency_ms, ms AS total_delivery_ms, error AS last_error FROM attempts;
    CREATE VIEW endpoints AS SELECT id, tenant AS project_id, way AS direction, address AS url, made AS created_at FROM hooks;";

/// A fixture whose source is the views of the operator.
async fn operators_source() -> Fixture {
    let database = TestDatabase::empty().await;
    database.execute(OPERATORS_OWN).await;
    database
        .storage()
        .migrate()
        .await
        .expect("the migrations apply");
    Fixture::on_database(StoreKind::File, database).await
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_an_operators_tables_can_be_the_source() {
    let fixture = operators_source().await;
    let _worker = fixture.start_worker(&[]);
    fixture
        .database()
        .execute(format!(
            "INSERT INTO hooks VALUES
                ('{hook}', '{PROJECT}', 'outbound', 'https://example.com/old', '2025-01-01Z'),
                ('{hook}', '{PROJECT}', 'outbound', 'https://example.com/new', '2025-06-01Z'),
                ('{hook}', '{PROJECT}', 'outbound', 'https://example.com/undated', NULL),
                (NULL, '{PROJECT}', 'outbound', 'https://example.com/nobody', '2025-06-01Z'),
                ('{other}', '{PROJECT}', 'outbound', NULL, '2025-06-01Z');
             INSERT INTO attempts (id, tenant, way, hook, state, tries, made) VALUES
                ('{a}', '{PROJECT}', 'outbound', '{hook}', 'succeeded', 1, '2025-12-03T12:00:00Z'),
                ('{b}', '{PROJECT}', 'outbound', '{other}', 'queued', 2, '2025-12-03T12:00:01Z'),
                ('{c}', '{PROJECT}', 'outbound', NULL, 'queued', 3, '2025-12-03T12:00:02Z'),
                ('{d}', '{PROJECT}', 'outbound', '{hook}', 'queued', 4, 'infinity');
             UPDATE attempts SET http = 200, ms = 7, error = '-' WHERE id = '{a}'",
            hook = uuid(10),
            other = uuid(11),
            a = uuid(1),
            b = uuid(2),
            c = uuid(3),
            d = uuid(4),
        ))
        .await;
    let body = "01935abc-0000-7000-8000-000000000001,ep_01935abc00007000800000000000000a,https://example.com/new,succeeded,1,2025-12-03T12:00:00.000000Z,,,200,7,'-\r\n\
                01935abc-0000-7000-8000-000000000002,ep_01935abc00007000800000000000000b,,queued,2,2025-12-03T12:00:01.000000Z,,,,,\r\n\
                01935abc-0000-7000-8000-000000000003,,,queued,3,2025-12-03T12:00:02.000000Z,,,,,\r\n";
    let expected = format!("{OUTBOUND_HEADER}{body}");
    assert_eq!(
        fixture.read_file(fixture.queue_full_export().await).await,
        expected
    );

    // The file is the same when there are too many endpoints to hold their URLs in memory.
    fixture.database()
        .execute(format!(
            "INSERT INTO hooks SELECT gen_random_uuid(), '{PROJECT}', 'outbound' FROM generate_series(1, 2100)"
        ))
        .await;
    assert_eq!(
        fixture.read_file(fixture.queue_full_export().await).await,
        expected
    );

    let queued = MessageFilter {
        status: Choice::One(MessageStatus::Queued),
        ..everything(Direction::Outbound)
    };
    let id = fixture.queue_export(queued).await;
    assert_eq!(fixture.wait_until_completed(id).await.row_count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_csv_cannot_represent_fails_the_export_and_names_the_message() {
    let fixture = operators_source().await;
    let _worker = fixture.start_worker(&[]);
    for (number, column, time) in [
        (1, "done", "infinity"),
        (2, "next", "-infinity"),
        (3, "done", "0044-03-15 BC"),
        (4, "next", "10000-01-01"),
    ] {
        let message = uuid(number);
        fixture
            .database()
            .execute(format!(
                "TRUNCATE attempts;
                 INSERT INTO attempts (id, tenant, way, state, tries, made) VALUES
                    ('{ok}', '{PROJECT}', 'outbound', 'queued', 0, '2025-12-03T12:00:00Z'),
                    ('{message}', '{PROJECT}', 'outbound', 'queued', 0, '2025-12-03T12:00:01Z');
                 UPDATE attempts SET {column} = '{time}' WHERE id = '{message}'",
                ok = uuid(0),
            ))
            .await;
        let id = fixture.queue_full_export().await;

        let failure = fixture.wait_until_failed(id).await;

        assert_eq!(failure.code, FailureCode::InvalidData);
        let named = match column {
            "done" => "delivered_at",
            _ => "next_attempt_at",
        };
        let text = &failure.message;
        assert!(
            text.contains(&message.to_string()) && text.contains(named),
            "{text}"
        );
        assert_eq!(
            fixture.export(id).await.attempt,
            1,
            "the failure is permanent"
        );
        assert_eq!(fixture.store_listing(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_from_the_source_database_if_configured() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let source = TestDatabase::create().await;
    let _worker = fixture.start_worker(&[("EXPORTS_SOURCE_DATABASE_URL", source.url())]);
    fixture.insert_one_message().await;
    let rows: Vec<_> = (0..3).map(Row::plain).collect();
    let messages: Vec<_> = rows.iter().map(Row::message).collect();
    Message::insert(source.pool(), &messages).await;

    let file = fixture.read_file(fixture.queue_full_export().await).await;

    assert_eq!(file, file_of(Direction::Outbound, &rows, &HashMap::new()));
}
