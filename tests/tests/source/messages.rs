//! The stream of messages: filters, order, values and URLs.

use exports_domain::{
    Choice, Direction, EndpointId, MessageFilter, MessageStatus, ProjectId, ValueSet,
};
use exports_postgres::PoolPurpose;
use exports_source::EndpointUrls;
use exports_source::Source;
use exports_tests::{Endpoint, Message, TestDatabase, uuid};
use uuid::Uuid;

use crate::support::sessions::{Row, known_urls, read, read_all};
use crate::support::{PROJECT, database, filter, filter_of, project};

fn ids(rows: &[Row]) -> Vec<Uuid> {
    rows.iter().map(|row| row.id.unwrap()).collect()
}

async fn exported(database: &TestDatabase, filter: &MessageFilter) -> Vec<Row> {
    let source = Source::same_as(&database.storage());
    read_all(&source, filter, &known_urls()).await
}

#[tokio::test]
async fn rows_are_ordered_by_time_and_then_by_id() {
    let database = database().await;
    let at = |id: u128, time: &str| Message::outbound(PROJECT).id(uuid(id)).at(time);
    let noon = "2025-12-03T12:00:00Z";
    let later = "2025-12-03T12:00:00.000001Z";
    Message::insert(
        database.pool(),
        &[
            at(9, noon),
            at(1, later),
            at(3, noon),
            at(255, noon),
            at(0, later),
        ],
    )
    .await;
    let rows = exported(&database, &filter()).await;
    assert_eq!(ids(&rows), [3, 9, 255, 0, 1].map(uuid));
}

#[tokio::test]
async fn a_range_includes_both_ends() {
    let database = database().await;
    let at = |id: u128, time: &str| Message::outbound(PROJECT).id(uuid(id)).at(time);
    Message::insert(
        database.pool(),
        &[
            at(1, "2025-11-30T23:59:59.999999Z"),
            at(2, "2025-12-01T00:00:00Z"),
            at(3, "2025-12-01T00:00:00.000001Z"),
            at(4, "2025-12-02T00:00:00.123456Z"),
            at(5, "2025-12-02T00:00:00.123457Z"),
        ],
    )
    .await;
    let filter = filter_of("2025-12-01T00:00:00Z", "2025-12-02T00:00:00.123456Z");
    let rows = exported(&database, &filter).await;
    assert_eq!(ids(&rows), [2, 3, 4].map(uuid));
}

#[tokio::test]
async fn a_range_can_span_the_first_to_the_last_valid_microsecond() {
    let database = database().await;
    let (first, last) = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z");
    Message::insert(
        database.pool(),
        &[
            Message::outbound(PROJECT).id(uuid(1)).at(first),
            Message::outbound(PROJECT).id(uuid(2)).at(last),
        ],
    )
    .await;
    let rows = exported(&database, &filter_of(first, last)).await;
    assert_eq!(ids(&rows), [1, 2].map(uuid));
}

#[tokio::test]
async fn every_filter_returns_only_matching_rows() {
    let database = database().await;
    database.project("proj_b").await;
    let mut messages = Vec::new();
    let mut number = 0;
    for project in [PROJECT, "proj_b"] {
        for &direction in Direction::ALL {
            for &status in MessageStatus::ALL {
                for endpoint in [1, 2] {
                    number += 1;
                    messages.push(
                        Message::outbound(project)
                            .with("direction", direction.as_str())
                            .status(status.as_str())
                            .endpoint(uuid(endpoint))
                            .id(uuid(number)),
                    );
                }
            }
        }
    }
    Message::insert(database.pool(), &messages).await;
    let statuses = MessageStatus::ALL.iter().copied().map(Some).chain([None]);
    for status in statuses {
        for endpoint in [None, Some(uuid(1)), Some(uuid(3))] {
            for &direction in Direction::ALL {
                let filter = MessageFilter {
                    direction,
                    status: status.into(),
                    endpoint: endpoint.map(EndpointId).into(),
                    ..filter()
                };
                let expected = messages
                    .iter()
                    .filter(|message| {
                        let is = |column, value: Option<String>| {
                            value.is_none_or(|value| *message.get(column) == value)
                        };
                        is("project_id", Some(PROJECT.to_owned()))
                            && is("direction", Some(direction.to_string()))
                            && is("status", status.map(|status| status.to_string()))
                            && is("endpoint_id", endpoint.map(|id| id.to_string()))
                    })
                    .map(|message| message.get("id").as_str().unwrap().parse().unwrap());
                let rows = exported(&database, &filter).await;
                assert_eq!(ids(&rows), expected.collect::<Vec<Uuid>>(), "{filter:?}");
            }
        }
    }
}

#[tokio::test]
async fn lists_select_the_messages_that_have_one_of_their_values() {
    let database = database().await;
    let statuses = MessageStatus::ALL;
    let messages: Vec<_> = (0..20)
        .map(|number| {
            Message::outbound(PROJECT)
                .id(uuid(number))
                .status(statuses[number as usize % 5].as_str())
                .endpoint(uuid(100 + number % 4))
        })
        .collect();
    Message::insert(database.pool(), &messages).await;
    let list = |values: &[MessageStatus]| Choice::OneOf(ValueSet::new(values.to_vec()).unwrap());
    let endpoints = |numbers: &[u128]| {
        let ids = numbers.iter().map(|number| EndpointId(uuid(100 + number)));
        Choice::OneOf(ValueSet::new(ids.collect()).unwrap())
    };
    for (status, endpoint, selected) in [
        (
            list(&statuses[1..3]),
            Choice::Any,
            [1, 2, 6, 7, 11, 12, 16, 17].as_slice(),
        ),
        (list(&statuses[..1]), Choice::Any, &[0, 5, 10, 15]),
        (
            Choice::Any,
            endpoints(&[3, 0]),
            &[0, 3, 4, 7, 8, 11, 12, 15, 16, 19],
        ),
        (Choice::Any, endpoints(&[9]), &[]),
        (
            list(&statuses[1..3]),
            endpoints(&[0, 3, 9]),
            &[7, 11, 12, 16],
        ),
        (Choice::One(statuses[1]), endpoints(&[2, 3]), &[6, 11]),
        (
            list(statuses),
            Choice::One(EndpointId(uuid(101))),
            &[1, 5, 9, 13, 17],
        ),
    ] {
        let filter = MessageFilter {
            status,
            endpoint,
            ..filter()
        };
        let expected: Vec<_> = selected.iter().map(|id| uuid(*id)).collect();
        assert_eq!(
            ids(&exported(&database, &filter).await),
            expected,
            "{filter:?}"
        );
    }
}

#[tokio::test]
async fn every_column_is_read_as_stored() {
    let database = database().await;
    let full = Message::inbound(PROJECT)
        .id(uuid(1))
        .endpoint(uuid(2))
        .status("failed_permanent")
        .with("attempt_count", i32::MAX)
        .at("2025-12-03T12:00:00.123456Z")
        .with("delivered_at", "2000-01-01T00:00:00.000001Z")
        .with("next_attempt_at", "1999-12-31T23:59:59.999999Z")
        .with("response_status", 503)
        .with("response_latency_ms", i32::MIN)
        .with("total_delivery_ms", -1)
        .last_error("=1+1, \"quoted\"\r\n\té 🦀");
    let bare = Message::inbound(PROJECT).id(uuid(3));
    Message::insert(database.pool(), &[full, bare.last_error("")]).await;
    let filter = MessageFilter {
        direction: Direction::Inbound,
        ..filter()
    };
    let rows = exported(&database, &filter).await;
    let noon = 818_078_400_000_000; // 2025-12-03 12:00, in microseconds since 2000.
    assert_eq!(
        rows,
        [
            Row {
                id: Some(uuid(3)),
                endpoint_id: Some(uuid(0)),
                status: Some("queued".to_owned()),
                attempt_count: Some(0),
                created_at: Some(noon),
                last_error: Some(String::new()),
                ..Row::default()
            },
            Row {
                id: Some(uuid(1)),
                endpoint_id: Some(uuid(2)),
                status: Some("failed_permanent".to_owned()),
                attempt_count: Some(i32::MAX),
                created_at: Some(noon + 123_456),
                delivered_at: Some(1),
                next_attempt_at: Some(-1),
                response_status: Some(503),
                response_latency_ms: Some(i32::MIN),
                total_delivery_ms: Some(-1),
                last_error: Some("=1+1, \"quoted\"\r\n\té 🦀".to_owned()),
                url: None,
            },
        ]
    );
}

#[tokio::test]
async fn a_text_of_many_megabytes_is_read_completely() {
    let database = database().await;
    let long = "é".repeat(5_000_000);
    let message = Message::outbound(PROJECT).last_error(&long);
    Message::insert(database.pool(), &[message]).await;
    let rows = exported(&database, &filter()).await;
    assert!(rows[0].last_error.as_ref() == Some(&long));
}

#[tokio::test]
async fn preloaded_and_joined_urls_are_equal() {
    let database = database().await;
    database.project("proj_b").await;
    Endpoint::insert(
        database.pool(),
        &[
            Endpoint::outbound(PROJECT, uuid(1), "https://one.example/hook"),
            Endpoint::inbound(PROJECT, uuid(2), "https://of.the.other.direction"),
            Endpoint::outbound("proj_b", uuid(3), "https://of.another.project"),
            Endpoint::outbound(PROJECT, uuid(5), ""),
        ],
    )
    .await;
    let to = |endpoint: u128| Message::outbound(PROJECT).endpoint(uuid(endpoint));
    Message::insert(database.pool(), &[1, 2, 3, 4, 5].map(to)).await;

    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let urls = session
        .endpoint_urls(Direction::Outbound, 10)
        .await
        .unwrap();
    let EndpointUrls::All(urls) = urls else {
        panic!("the endpoints are below the limit")
    };
    assert_eq!(urls.len(), 2);
    let rows = read(&mut session, &filter(), &EndpointUrls::InRows).await;
    assert_eq!(rows.len(), 5);
    for row in rows {
        let known = urls.get(&row.endpoint_id.unwrap());
        assert_eq!(row.url.as_ref(), known, "{row:?}");
    }
}

#[tokio::test]
async fn more_endpoints_than_the_limit_are_joined_in_rows() {
    let database = database().await;
    for id in 0..4 {
        let endpoint = Endpoint::outbound(PROJECT, uuid(id), "https://one.example");
        Endpoint::insert(database.pool(), &[endpoint]).await;
    }
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let mut urls = async |limit| {
        let urls = session.endpoint_urls(Direction::Outbound, limit).await;
        urls.unwrap()
    };
    assert_eq!(urls(3).await, EndpointUrls::InRows);
    assert!(matches!(urls(4).await, EndpointUrls::All(all) if all.len() == 4));
}

#[tokio::test]
async fn urls_that_are_too_long_together_are_joined_in_rows() {
    let database = database().await;
    let source = Source::same_as(&database.storage());
    // 4 MiB together, then one byte more.
    for (id, length) in [(0, 3 << 20), (1, (1 << 20) - 1), (2, 1), (3, 1)] {
        let endpoint = Endpoint::outbound(PROJECT, uuid(id), &"u".repeat(length));
        Endpoint::insert(database.pool(), &[endpoint]).await;
        let mut session = source.open_session().await.unwrap();
        session.begin(&project()).await.unwrap();
        let urls = session
            .endpoint_urls(Direction::Outbound, 10)
            .await
            .unwrap();
        match urls {
            EndpointUrls::All(all) => {
                assert!(id < 3, "more than 4 MiB");
                assert_eq!(all[&uuid(id)].len(), length);
            }
            EndpointUrls::InRows => assert_eq!(id, 3, "at most 4 MiB"),
        }
    }
}

#[tokio::test]
async fn has_endpoints_checks_all_of_them_in_project_and_direction() {
    let database = database().await;
    let other = database.project("proj_b").await;
    let endpoints = [
        Endpoint::outbound(PROJECT, uuid(1), "https://one.example"),
        Endpoint::outbound(PROJECT, uuid(2), "https://two.example"),
        Endpoint::inbound(PROJECT, uuid(3), "https://three.example"),
    ];
    Endpoint::insert(database.pool(), &endpoints).await;
    let source = Source::same_as(&database.storage());
    let has = async |project: &ProjectId, direction, ids: &[u128]| {
        let ids: Vec<_> = ids.iter().map(|id| EndpointId(uuid(*id))).collect();
        let has = source.has_endpoints(project, direction, &ids).await;
        has.unwrap()
    };
    let out = Direction::Outbound;
    assert!(has(&project(), out, &[1]).await);
    assert!(has(&project(), out, &[1, 2]).await);
    assert!(!has(&project(), out, &[1, 2, 4]).await, "one is unknown");
    assert!(!has(&project(), out, &[1, 3]).await, "one is inbound");
    assert!(has(&project(), Direction::Inbound, &[3]).await);
    assert!(!has(&project(), Direction::Inbound, &[1]).await);
    assert!(!has(&other, out, &[1]).await);
}

#[tokio::test]
async fn messages_can_be_read_from_another_database() {
    let database = database().await;
    let elsewhere = TestDatabase::create().await;
    Message::insert(elsewhere.pool(), &[Message::outbound(PROJECT).id(uuid(1))]).await;
    Message::insert(database.pool(), &[Message::outbound(PROJECT).id(uuid(2))]).await;
    let storage = database.storage();
    let source = Source::at(elsewhere.url(), &storage, PoolPurpose::Api).unwrap();
    source.check().await.unwrap();
    let rows = read_all(&source, &filter(), &known_urls()).await;
    assert_eq!(ids(&rows), [uuid(1)]);
}
