//! Sources whose values mean something else: an export fails and names the message, instead of leaving it out.

use exports_domain::{Choice, Direction, FailureCode, MessageFilter, MessageStatus};
use exports_tests::{StoreKind, TestDatabase, uuid};

use crate::support::{Fixture, PROJECT, everything};

/// A fixture whose relation `messages` has these types of direction and status, and no constraints.
async fn source_of(direction: &str, status: &str) -> Fixture {
    source(&format!(
        "CREATE TYPE way AS ENUM ('inbound', 'outbound', 'sideways', 'up, down');
         CREATE TYPE progress AS ENUM ('queued', 'succeeded', 'on holiday');
         CREATE TABLE messages (
             id text, project_id text, direction {direction}, endpoint_id uuid, status {status}, attempt_count int,
             created_at timestamptz, delivered_at timestamptz, next_attempt_at timestamptz, response_status int,
             response_latency_ms int, total_delivery_ms int, last_error text);
         CREATE INDEX ON messages (project_id, direction, created_at, id)"
    ))
    .await
}

async fn source(definitions: &str) -> Fixture {
    let database = TestDatabase::empty().await;
    database.execute(definitions).await;
    let migrated = database.storage().migrate().await;
    migrated.expect("the migrations apply");
    Fixture::on_database(StoreKind::File, database).await
}

/// The rows of the table: one good row, and one with these values.
async fn put(fixture: &Fixture, table: &str, values: &str) {
    let (good, bad) = (uuid(1), uuid(2));
    fixture
        .database()
        .execute(format!(
            "TRUNCATE {table};
             INSERT INTO {table} (id, project_id, direction, status, attempt_count, created_at)
             VALUES ('{good}', '{PROJECT}', 'outbound', 'queued', 1, '2025-12-03T12:00:00Z');
             INSERT INTO {table} (id, project_id, direction, status, attempt_count, created_at)
             SELECT id, project_id, direction, status, attempt_count, created_at FROM {table};
             UPDATE {table} SET id = '{bad}' WHERE ctid = (SELECT max(ctid) FROM {table});
             UPDATE {table} SET {values} WHERE id = '{bad}'"
        ))
        .await;
}

fn with_status() -> MessageFilter {
    MessageFilter {
        status: Choice::One(MessageStatus::Queued),
        ..everything(Direction::Outbound)
    }
}

/// The export fails at its first attempt. The consumer reads message and column, the operator also the value.
async fn assert_invalid(fixture: &Fixture, filter: MessageFilter, column: &str, reason: &str) {
    let id = fixture.queue_export(filter).await;
    let failure = fixture.wait_until_failed(id).await;
    let row = fixture.export_row(id).await;
    assert_eq!(failure.code, FailureCode::InvalidData, "{row}");
    assert_eq!(fixture.export(id).await.attempt, 1, "{row}");
    let text = &failure.message;
    assert!(text.contains(column), "{text}");
    let reason = reason.replace("MESSAGE", &format!("message {}", uuid(2)));
    if reason.starts_with("message") {
        assert!(text.contains(&uuid(2).to_string()), "{text}");
    }
    let found = fixture
        .database()
        .export_column(id.0, "attempt_error")
        .await;
    assert_eq!(found, reason, "the operator's reason");
}

async fn assert_complete(fixture: &Fixture, filter: MessageFilter, rows: u64) {
    let id = fixture.queue_export(filter).await;
    let file = fixture.wait_until_completed(id).await;
    assert_eq!(file.row_count, rows);
}

const STATUSES: &str = "expected queued, delivering, succeeded, pending_retry or failed_permanent";

#[tokio::test(flavor = "multi_thread")]
async fn a_direction_that_is_unknown_or_null_fails_the_export() {
    for (types, value, shown) in [
        ("text", "'out'", "\"out\""),
        ("text", "'in'", "\"in\""),
        ("text", "'OUTBOUND'", "\"OUTBOUND\""),
        ("text", "'outbound '", "\"outbound \""),
        ("text COLLATE \"C\"", "'Outbound'", "\"Outbound\""),
        ("varchar(80)", "''", "\"\""),
        ("varchar(80)", "E'zz\\n'", "\"zz\\n\""),
        ("varchar(80)", "NULL", ""),
        ("char(9)", "'out'", "\"out\""),
        ("char(9)", "NULL", ""),
        ("way", "'sideways'", "\"sideways\""),
        ("way", "'up, down'", "\"up, down\""),
        ("way", "NULL", ""),
    ] {
        let fixture = source_of(types, "text").await;
        let _worker = fixture.start_worker(&[]);
        put(&fixture, "messages", &format!("direction = {value}")).await;
        let reason = match shown {
            "" => "MESSAGE: direction is NULL; expected a value".to_owned(),
            shown => format!("MESSAGE: direction is {shown}; expected outbound or inbound"),
        };
        for filter in [
            everything(Direction::Outbound),
            everything(Direction::Inbound),
            with_status(),
        ] {
            assert_invalid(&fixture, filter, "direction", &reason).await;
        }
        // The message is outside the time range.
        let outside = "UPDATE messages SET created_at = '2024-01-01' WHERE status = 'queued' AND id LIKE '%2'";
        fixture.database().execute(outside).await;
        let mut filter = everything(Direction::Outbound);
        filter.range = crate::support::range("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        assert_complete(&fixture, filter, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailing_blanks_of_char_are_no_part_of_the_value() {
    let fixture = source_of("char(20)", "char(20)").await;
    let _worker = fixture.start_worker(&[]);
    put(&fixture, "messages", "attempt_count = 2").await;
    assert_complete(&fixture, everything(Direction::Outbound), 2).await;
    assert_complete(&fixture, with_status(), 2).await;
    put(&fixture, "messages", "status = 'QUEUED'").await;
    let reason = format!("MESSAGE: status is \"QUEUED\"; {STATUSES}");
    assert_invalid(&fixture, with_status(), "status", &reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_unknown_or_null_fails_the_export_with_and_without_a_filter() {
    for (types, value, shown) in [
        ("text", "'on holiday'", "\"on holiday\""),
        ("text", "'SUCCEEDED'", "\"SUCCEEDED\""),
        ("varchar", "NULL", ""),
        ("progress", "'on holiday'", "\"on holiday\""),
        ("progress", "NULL", ""),
    ] {
        let fixture = source_of("text", types).await;
        let _worker = fixture.start_worker(&[]);
        put(&fixture, "messages", &format!("status = {value}")).await;
        let reason = match shown {
            "" => "MESSAGE: status is NULL; expected a value".to_owned(),
            shown => format!("MESSAGE: status is {shown}; {STATUSES}"),
        };
        for filter in [everything(Direction::Outbound), with_status()] {
            assert_invalid(&fixture, filter, "status", &reason).await;
        }
        // It is in no file of the other direction.
        assert_complete(&fixture, everything(Direction::Inbound), 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn null_in_a_required_column_fails_the_export() {
    let fixture = source_of("text", "text").await;
    let _worker = fixture.start_worker(&[]);
    for (column, named, reason) in [
        (
            "id",
            "message_id",
            "a message without id: message_id is NULL; expected a value",
        ),
        (
            "attempt_count",
            "attempt_count",
            "MESSAGE: attempt_count is NULL; expected a value",
        ),
        (
            "created_at",
            "created_at",
            "MESSAGE: created_at is NULL; expected a value",
        ),
    ] {
        put(&fixture, "messages", &format!("{column} = NULL")).await;
        assert_invalid(&fixture, everything(Direction::Outbound), named, reason).await;
    }
    // It belongs to no project.
    put(&fixture, "messages", "project_id = NULL").await;
    assert_complete(&fixture, everything(Direction::Outbound), 1).await;
}

/// A view that maps directions, one that computes both columns, and one that only renames.
#[tokio::test(flavor = "multi_thread")]
async fn views_are_searched_too() {
    const COLUMNS: &str = "attempt_count, created_at, delivered_at, next_attempt_at, response_status, response_latency_ms, \
                           total_delivery_ms, last_error";
    for (direction, status) in [
        (
            "CASE direction WHEN 'o' THEN 'outbound' ELSE direction END",
            "lower(status)",
        ),
        ("direction", "status"),
        ("lower(direction)", "status"),
    ] {
        let fixture = source(&format!(
            "CREATE TABLE stored (
                 id uuid, project_id text, direction text, endpoint_id uuid, status text, attempt_count int,
                 created_at timestamptz, delivered_at timestamptz, next_attempt_at timestamptz, response_status int,
                 response_latency_ms int, total_delivery_ms int, last_error text);
             CREATE VIEW messages AS SELECT id, project_id, {direction} AS direction, endpoint_id, {status} AS status, {COLUMNS}
             FROM stored"
        ))
        .await;
        let _worker = fixture.start_worker(&[]);
        put(&fixture, "stored", "direction = 'out'").await;
        let reason = "MESSAGE: direction is \"out\"; expected outbound or inbound";
        assert_invalid(
            &fixture,
            everything(Direction::Outbound),
            "direction",
            reason,
        )
        .await;
        put(&fixture, "stored", "status = 'gone'").await;
        let reason = format!("MESSAGE: status is \"gone\"; {STATUSES}");
        assert_invalid(&fixture, with_status(), "status", &reason).await;
        put(&fixture, "stored", "created_at = NULL").await;
        let reason = "MESSAGE: created_at is NULL; expected a value";
        assert_invalid(
            &fixture,
            everything(Direction::Outbound),
            "created_at",
            reason,
        )
        .await;
        put(&fixture, "stored", "attempt_count = 2").await;
        assert_complete(&fixture, with_status(), 2).await;
    }
}

/// Of several messages without a known direction, the export of an endpoint is only about its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_endpoint_does_not_matter() {
    let fixture = source_of("text", "text").await;
    let _worker = fixture.start_worker(&[]);
    put(&fixture, "messages", "direction = 'out'").await;
    let endpoint = |number| MessageFilter {
        endpoint: Some(exports_domain::EndpointId(uuid(number))).into(),
        ..everything(Direction::Outbound)
    };
    let set = format!(
        "UPDATE messages SET endpoint_id = '{}' WHERE direction = 'out'",
        uuid(7)
    );
    fixture.database().execute(set).await;
    assert_complete(&fixture, endpoint(8), 0).await;
    let reason = "MESSAGE: direction is \"out\"; expected outbound or inbound";
    assert_invalid(&fixture, endpoint(7), "direction", reason).await;
}

/// The database has another time zone: the worker's sessions still use UTC.
#[tokio::test(flavor = "multi_thread")]
async fn a_timestamp_without_time_zone_is_read_as_utc() {
    let fixture = source(
        "CREATE TABLE messages (
             id uuid, project_id text, direction text, endpoint_id uuid, status text, attempt_count int,
             created_at timestamp, delivered_at timestamp, next_attempt_at date, response_status int,
             response_latency_ms int, total_delivery_ms int, last_error text)",
    )
    .await;
    let name = fixture.database().name().to_owned();
    fixture
        .database()
        .execute(format!(
            "ALTER DATABASE \"{name}\" SET timezone = 'America/New_York'"
        ))
        .await;
    fixture
        .database()
        .execute(format!(
            "INSERT INTO messages (id, project_id, direction, status, attempt_count, created_at, delivered_at, next_attempt_at) VALUES
             ('{}', '{PROJECT}', 'outbound', 'queued', 1, '2025-12-03 12:00:00', '2025-07-01 00:30:00', '2025-12-04'),
             ('{}', '{PROJECT}', 'outbound', 'queued', 1, '2025-12-03 12:00:01', NULL, NULL)",
            uuid(1),
            uuid(2),
        ))
        .await;
    let _worker = fixture.start_worker(&[]);
    let mut filter = everything(Direction::Outbound);
    filter.range = crate::support::range("2025-12-03T11:00:00Z", "2025-12-03T12:00:00Z");
    let file = fixture.read_file(fixture.queue_export(filter).await).await;
    let file = String::from_utf8(file.to_vec()).expect("UTF-8");
    let rows: Vec<_> = file.lines().skip(1).collect();
    assert_eq!(
        rows,
        [format!(
            "{},,,queued,1,2025-12-03T12:00:00.000000Z,2025-07-01T00:30:00.000000Z,2025-12-04T00:00:00.000000Z,,,",
            uuid(1)
        )]
    );
}
