//! Column types of the source: every accepted type works with every filter and gives the same rows.

use std::collections::BTreeSet;

use exports_domain::{Choice, Direction, EndpointId, MessageFilter, MessageStatus, ValueSet};
use exports_source::EndpointUrls;
use exports_source::Error;
use exports_source::Source;
use exports_tests::{TestDatabase, not_run, uuid};

use crate::support::sessions::{Row, read};
use crate::support::{PROJECT, filter, project};

/// A database whose table `messages` has columns of these types.
async fn database_of(types: &str, columns: &str) -> TestDatabase {
    let database = TestDatabase::empty().await;
    database
        .execute(format!(
            "{types};
             CREATE TABLE messages ({columns}, delivered_at timestamptz, next_attempt_at timestamptz, response_status int,
                 response_latency_ms int, total_delivery_ms int, last_error text);
             CREATE TABLE endpoints (id uuid, project_id text, direction text, url text, created_at timestamptz)"
        ))
        .await;
    database.storage().migrate().await.unwrap();
    database.project(PROJECT).await;
    database
}

async fn rows(database: &TestDatabase, filter: &MessageFilter) -> Result<Vec<Row>, Error> {
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await?;
    session.begin_reading(&project(), filter).await?;
    session.try_statements(filter).await?;
    session.estimate(filter, 1).await?;
    let rows = read(&mut session, filter, &EndpointUrls::InRows).await;
    session.commit_if_unchanged().await?;
    Ok(rows)
}

/// Every status with and without the endpoint, and lists of both, in both directions.
fn every_filter() -> Vec<MessageFilter> {
    let mut filters = Vec::new();
    for &direction in Direction::ALL {
        for status in MessageStatus::ALL.iter().copied().map(Some).chain([None]) {
            for endpoint in [None, Some(EndpointId(uuid(7)))] {
                filters.push(MessageFilter {
                    direction,
                    status: status.into(),
                    endpoint: endpoint.into(),
                    ..filter()
                });
            }
            let list = [
                status.unwrap_or(MessageStatus::Queued),
                MessageStatus::Delivering,
            ];
            let statuses = list.into_iter().collect::<BTreeSet<_>>();
            filters.push(MessageFilter {
                direction,
                status: Choice::OneOf(ValueSet::new(statuses.into_iter().collect()).unwrap()),
                endpoint: Choice::OneOf(
                    ValueSet::new([7, 8].map(|id| EndpointId(uuid(id))).to_vec()).unwrap(),
                ),
                ..filter()
            });
        }
    }
    filters
}

#[tokio::test]
async fn every_accepted_column_type_works_with_every_filter() {
    let ours = "id uuid, project_id text, direction text, endpoint_id uuid, status text, attempt_count int, created_at timestamptz";
    let cases = [
        ("", ours),
        (
            "CREATE TYPE way AS ENUM ('outbound'); CREATE TYPE state AS ENUM ('queued', 'succeeded', 'lost')",
            "id uuid, project_id text, direction way, endpoint_id uuid, status state, attempt_count int, created_at timestamptz",
        ),
        (
            "CREATE DOMAIN tenant AS varchar(80); CREATE DOMAIN key AS uuid; CREATE TYPE state AS ENUM ('queued', 'succeeded');
             CREATE DOMAIN outcome AS state",
            "id key, project_id tenant, direction varchar, endpoint_id key, status outcome, attempt_count int, created_at timestamptz",
        ),
        (
            "",
            "id text, project_id varchar(80), direction char(8), endpoint_id text, status char(20), attempt_count bigint, created_at timestamp",
        ),
        (
            "",
            "id varchar(36), project_id char(80), direction name, endpoint_id varchar(36), status text, attempt_count smallint, created_at text",
        ),
        (
            "",
            "id uuid, project_id text COLLATE \"C\", direction text, endpoint_id uuid, status text, attempt_count numeric, created_at date",
        ),
    ];
    for (types, columns) in cases {
        let database = database_of(types, columns).await;
        // Upper case, and no hyphens: other texts of the same ids.
        let (first, second) = (uuid(1).to_string(), uuid(2).simple().to_string());
        database
            .execute(format!(
                "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at) VALUES
                 ('{second}', '{PROJECT}', 'outbound', '{endpoint}', 'queued', 2, '2025-12-03'),
                 ('{first}', '{PROJECT}', 'outbound', '{endpoint}', 'succeeded', 3, '2025-12-03'),
                 (NULL, 'proj_b', 'outbound', '{endpoint}', 'queued', 1, '2025-12-03'),
                 (NULL, '{PROJECT}', 'outbound', '{endpoint}', 'queued', 1, '2025-12-30')",
                endpoint = uuid(7).to_string().to_uppercase(),
            ))
            .await;
        for filter in every_filter() {
            let found = rows(&database, &filter).await;
            let found = found.unwrap_or_else(|error| panic!("{columns} {filter:?}: {error:?}"));
            let ids: Vec<_> = found.iter().map(|row| row.id.unwrap()).collect();
            let statuses = filter.status.values();
            let selects = |status| {
                let is_selected = statuses.is_empty() || statuses.contains(&status);
                filter.direction == Direction::Outbound && is_selected
            };
            let succeeded = selects(MessageStatus::Succeeded).then_some(uuid(1));
            let queued = selects(MessageStatus::Queued).then_some(uuid(2));
            let expected: Vec<_> = succeeded.into_iter().chain(queued).collect();
            assert_eq!(ids, expected, "{columns} {filter:?}");
            for row in &found {
                assert_eq!(row.endpoint_id, Some(uuid(7)), "{columns}");
                let (status, count) = if row.id == Some(uuid(1)) {
                    ("succeeded", 3)
                } else {
                    ("queued", 2)
                };
                assert_eq!(row.status.as_deref(), Some(status), "{columns}");
                assert_eq!(row.attempt_count, Some(count), "{columns}");
            }
        }
    }
}

#[tokio::test]
async fn an_unsupported_column_type_is_reported_with_the_expected_type() {
    let cases = [
        ("created_at bigint", "messages.created_at is int8"),
        (
            "created_at timestamptz[]",
            "timestamp with time zone is needed",
        ),
    ];
    for (column, expected) in cases {
        let columns = format!(
            "id uuid, project_id text, direction text, endpoint_id uuid, status text, attempt_count int, {column}"
        );
        let database = database_of("", &columns).await;
        let error = rows(&database, &filter()).await.unwrap_err();
        let told = error.to_string().replace("bigint", "int8");
        assert!(told.contains(expected), "{told}");
        assert!(
            !error.is_data(),
            "an unsupported column type is not a data error"
        );
    }
    let columns = "id bigint, project_id text, direction int, endpoint_id uuid, status boolean, attempt_count int, created_at timestamptz";
    let database = database_of("", columns).await;
    let told = rows(&database, &filter()).await.unwrap_err().to_string();
    for column in ["messages.id", "messages.direction", "messages.status"] {
        assert!(told.contains(column), "{told}");
    }
}

/// A case-insensitive collation treats `PROJ_A` and `proj_a` as equal, but they are two tenants.
#[tokio::test]
async fn a_case_insensitive_collation_does_not_mix_projects() {
    let database = TestDatabase::empty().await;
    let has_icu = "SELECT count(*) > 0 FROM pg_collation WHERE collname = 'und-x-icu'";
    if database.value(has_icu).await != true {
        not_run("the server was built without ICU");
        return;
    }
    let database = database_of(
        "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "id uuid, project_id text COLLATE folding, direction text, endpoint_id uuid, status text COLLATE folding, attempt_count int, created_at timestamptz",
    )
    .await;
    database
        .execute(format!(
            "ALTER TABLE endpoints ALTER COLUMN project_id TYPE text COLLATE folding;
             INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at) VALUES
             ('{}', 'proj_a', 'outbound', '{endpoint}', 'queued', 2, '2025-12-03'),
             ('{}', 'proj_A', 'outbound', '{endpoint}', 'queued', 2, '2025-12-03');
             INSERT INTO endpoints VALUES ('{endpoint}', 'proj_A', 'outbound', 'https://other.example', now())",
            uuid(1),
            uuid(2),
            endpoint = uuid(7),
        ))
        .await;
    for filter in every_filter() {
        for row in rows(&database, &filter).await.unwrap() {
            assert_eq!(row.id, Some(uuid(1)), "another tenant's message");
            assert_eq!(row.url, None, "another tenant's endpoint");
        }
    }
    let all = rows(&database, &filter()).await.unwrap();
    assert_eq!(all.len(), 1);
    let source = Source::same_as(&database.storage());
    let (out, endpoint) = (Direction::Outbound, EndpointId(uuid(7)));
    let known = source.has_endpoints(&project(), out, &[endpoint]).await;
    assert!(!known.unwrap());
}
