//! The rows and the bytes of a file.

use std::collections::HashMap;

use exports_domain::{Choice, Direction, EndpointId, MessageFilter, MessageStatus};
use exports_tests::s3::Kind;
use exports_tests::{Endpoint, Message, StoreKind, uuid};

use crate::rows::{INBOUND_HEADER, OUTBOUND_HEADER, Row, file_of, put_large};
use crate::support::{Fixture, PROJECT, everything, on_every_store, range};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_exactly_the_expected_bytes() {
    on_every_store(async |fixture| {
        let _worker = fixture.start_worker(&[]);
        let odd = |message: Message| {
            message
                .id(uuid(7))
                .endpoint(uuid(1))
                .with("attempt_count", -1)
                .with("delivered_at", "9999-12-31T23:59:59.999999Z")
                .with("next_attempt_at", "0001-01-01T00:00:00Z")
                .with("response_status", 0)
                .with("response_latency_ms", i32::MIN)
                .with("total_delivery_ms", i32::MAX)
                .last_error("=1+\"1\",\r\nü")
        };
        fixture.insert_messages(&[odd(Message::outbound(PROJECT)), odd(Message::inbound(PROJECT)).id(uuid(8))])
            .await;
        let endpoints = [Endpoint::outbound(PROJECT, uuid(1), "https://example.com/a b")];
        Endpoint::insert(fixture.database().pool(), &endpoints).await;

        let outbound = fixture.read_file(fixture.queue_export(everything(Direction::Outbound)).await).await;
        let inbound = fixture.read_file(fixture.queue_export(everything(Direction::Inbound)).await).await;

        let row = "01935abc-0000-7000-8000-000000000007,ep_01935abc000070008000000000000001,https://example.com/a b,queued,-1,\
                   2025-12-03T12:00:00.000000Z,9999-12-31T23:59:59.999999Z,0001-01-01T00:00:00.000000Z,0,-2147483648,\
                   \"'=1+\"\"1\"\",\r\nü\"\r\n";
        assert_eq!(outbound, format!("{OUTBOUND_HEADER}{row}"));
        let row = "01935abc-0000-7000-8000-000000000008,01935abc-0000-7000-8000-000000000001,,queued,-1,\
                   2025-12-03T12:00:00.000000Z,9999-12-31T23:59:59.999999Z,0001-01-01T00:00:00.000000Z,0,-2147483648,2147483647,\
                   \"'=1+\"\"1\"\",\r\nü\"\r\n";
        assert_eq!(inbound, format!("{INBOUND_HEADER}{row}"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_bounds_of_the_time_range_are_inclusive() {
    on_every_store(async |fixture| {
        let _worker = fixture.start_worker(&[]);
        let times = [
            "0001-01-01T00:00:00Z",
            "2025-12-02T23:59:59.999999Z",
            "2025-12-03T00:00:00Z",
            "2025-12-03T12:00:00Z",
            "2025-12-04T00:00:00.000001Z",
            "2025-12-04T00:00:00.000002Z",
            "9999-12-31T23:59:59.999999Z",
        ];
        let messages: Vec<_> = (0_u128..)
            .zip(times)
            .map(|(number, time)| Message::outbound(PROJECT).id(uuid(number)).at(time))
            .collect();
        fixture.insert_messages(&messages).await;

        let some = MessageFilter {
            range: range("2025-12-03T00:00:00Z", "2025-12-04T00:00:00.000001Z"),
            ..everything(Direction::Outbound)
        };
        assert_eq!(ids_in(fixture, some).await, [2, 3, 4].map(uuid));
        let all = everything(Direction::Outbound);
        assert_eq!(ids_in(fixture, all).await, [0, 1, 2, 3, 4, 5, 6].map(uuid));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_only_messages_of_the_project_that_match_all_filters() {
    on_every_store(async |fixture| {
        let _worker = fixture.start_worker(&[]);
        let message = |number| {
            Message::outbound(PROJECT)
                .id(uuid(number))
                .status("succeeded")
        };
        fixture
            .insert_messages(&[
                message(1).endpoint(uuid(11)),
                message(2).endpoint(uuid(12)),
                message(3).endpoint(uuid(11)).status("failed_permanent"),
                Message::inbound(PROJECT)
                    .id(uuid(4))
                    .endpoint(uuid(11))
                    .status("succeeded"),
                Message::outbound("proj_another")
                    .id(uuid(5))
                    .endpoint(uuid(11))
                    .status("succeeded"),
            ])
            .await;
        let all = everything(Direction::Outbound);
        assert_eq!(ids_in(fixture, all.clone()).await, [1, 2, 3].map(uuid));
        let succeeded = MessageFilter {
            status: Choice::One(MessageStatus::Succeeded),
            ..all.clone()
        };
        assert_eq!(ids_in(fixture, succeeded.clone()).await, [1, 2].map(uuid));
        let of_one = MessageFilter {
            endpoint: Choice::One(EndpointId(uuid(11))),
            ..all
        };
        assert_eq!(ids_in(fixture, of_one).await, [1, 3].map(uuid));
        let of_one = MessageFilter {
            endpoint: Choice::One(EndpointId(uuid(11))),
            ..succeeded
        };
        assert_eq!(ids_in(fixture, of_one).await, [1].map(uuid));
        let inbound = everything(Direction::Inbound);
        assert_eq!(ids_in(fixture, inbound).await, [4].map(uuid));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_without_rows_has_a_header() {
    on_every_store(async |fixture| {
        let _worker = fixture.start_worker(&[]);
        for (direction, header) in [
            (Direction::Outbound, OUTBOUND_HEADER),
            (Direction::Inbound, INBOUND_HEADER),
        ] {
            let id = fixture.queue_export(everything(direction)).await;
            assert_eq!(fixture.read_file(id).await, header);
            assert_eq!(fixture.wait_until_completed(id).await.row_count, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_does_not_depend_on_the_number_of_endpoints() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let _worker = fixture.start_worker(&[]);
    let endpoint = |number, url: &str| Endpoint::outbound(PROJECT, uuid(number), url);
    let endpoints = [
        endpoint(1, "https://example.com/hook,\"1\""),
        endpoint(2, "=formula"),
        Endpoint::inbound(PROJECT, uuid(3), "https://example.com/inbound"),
        Endpoint::outbound("proj_another", uuid(4), "https://example.com/another"),
    ];
    Endpoint::insert(fixture.database().pool(), &endpoints).await;
    let rows: Vec<_> = (0..50)
        .map(|number| Row {
            endpoint: uuid(u128::from(number % 6)),
            ..Row::plain(number)
        })
        .collect();
    fixture
        .insert_messages(&rows.iter().map(Row::message).collect::<Vec<_>>())
        .await;
    let few = fixture.read_file(fixture.queue_full_export().await).await;

    // Up to 2,000 endpoints are held in memory. Beyond that, each row is joined with its endpoint.
    for more in [1_998, 1, 1_000] {
        fixture.database()
            .execute(format!(
                "INSERT INTO endpoints SELECT gen_random_uuid(), '{PROJECT}', 'outbound', 'https://example.com/more', now()
                 FROM generate_series(1, {more})"
            ))
            .await;
        let many = fixture.read_file(fixture.queue_full_export().await).await;
        assert_eq!(many, few);
    }
    let urls = HashMap::from([
        (uuid(1), "https://example.com/hook,\"1\"".to_owned()),
        (uuid(2), "=formula".to_owned()),
    ]);
    assert_eq!(few, file_of(Direction::Outbound, &rows, &urls));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_stored_in_parts() {
    on_every_store(async |fixture| {
        let _worker = fixture.start_worker(&[]);
        let expected = put_large(fixture.database(), 270).await;
        let id = fixture.queue_full_export().await;

        let file = fixture.read_file(id).await;

        assert!(
            file == expected,
            "{} bytes and {}",
            file.len(),
            expected.len()
        );
        fixture.wait_for_files_of(&[id]).await;
        if fixture.store_folder().is_none() {
            assert_eq!(fixture.s3().count(Kind::PutPart), 4);
            assert_eq!(fixture.s3().count(Kind::Put), 0);
        }
    })
    .await;
}

/// The ids of the rows in the file of an export with this filter.
async fn ids_in(fixture: &Fixture, filter: MessageFilter) -> Vec<uuid::Uuid> {
    let file = fixture.read_file(fixture.queue_export(filter).await).await;
    let mut reader = csv::Reader::from_reader(&file[..]);
    let records = reader
        .records()
        .map(|record| record.expect("a well-formed record"));
    records
        .map(|record| record[0].parse().expect("a UUID"))
        .collect()
}
