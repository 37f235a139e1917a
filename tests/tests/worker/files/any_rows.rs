//! Property test: any mix of rows is exported correctly.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use exports_domain::{
    Choice, Direction, EndpointId, MessageFilter, MessageStatus, TimeRange, ValueSet,
};
use exports_tests::{Endpoint, StoreKind, uuid};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use crate::rows::{Row, file_of};
use crate::support::{Fixture, PROJECT, everything};

/// The first and the last microsecond of the years 1 and 9999, in Unix time.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_999_999;
/// 2025-12-03, noon.
const USUAL: i64 = 1_764_763_200_000_000;

/// Endpoints have numbers: 0 and 1 are outbound, 2 and 3 inbound, 4 belongs to another project, 5 does not exist.
const ENDPOINTS: usize = 6;

#[derive(Debug, Clone)]
pub(super) struct Case {
    /// The rows by id.
    pub(super) rows: BTreeMap<u128, Row>,
    urls: Vec<String>,
    status: Choice<MessageStatus>,
    endpoint: Choice<EndpointId>,
    /// The rows whose times are the bounds of the range.
    ends: Option<(prop::sample::Index, prop::sample::Index)>,
}

#[test]
fn any_mix_of_rows_is_exported_correctly_to_a_folder() {
    assert_any_mix_of_rows_is_exported_correctly(StoreKind::File);
}

#[test]
fn any_mix_of_rows_is_exported_correctly_to_a_bucket() {
    assert_any_mix_of_rows_is_exported_correctly(StoreKind::S3);
}

fn assert_any_mix_of_rows_is_exported_correctly(kind: StoreKind) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let fixture = runtime.block_on(Fixture::without_services(kind));
    let _worker = runtime.block_on(async { fixture.start_worker(&[]) });
    let mut runner = TestRunner::new(Config {
        cases: 24,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..Config::default()
    });
    let ran = runner.run(&case(), |case| {
        runtime.block_on(check(&fixture, &case));
        Ok(())
    });
    // Prints the failing input and its seed.
    ran.unwrap_or_else(|error| panic!("{error}\n{runner}"));
}

async fn check(fixture: &Fixture, case: &Case) {
    case.put(fixture).await;
    for &direction in Direction::ALL {
        let filter = case.filter(direction);
        let wanted = case.rows.values().filter(|row| passes(&filter, row));
        let expected = file_of(direction, wanted, &case.urls_of(direction));

        let file = fixture.read_file(fixture.queue_export(filter).await).await;

        let file = std::str::from_utf8(&file).expect("the file is UTF-8");
        assert_eq!(records(file), records(&expected));
        assert_eq!(file, expected);
    }
}

async fn put_endpoints(fixture: &Fixture, case: &Case) {
    let (id, url) = (endpoint, |number: usize| &*case.urls[number]);
    let endpoints = [
        Endpoint::outbound(PROJECT, id(0), url(0)),
        Endpoint::outbound(PROJECT, id(1), url(1)),
        Endpoint::inbound(PROJECT, id(2), url(2)),
        Endpoint::inbound(PROJECT, id(3), url(3)),
        Endpoint::outbound("proj_another", id(4), url(4)),
    ];
    Endpoint::insert(fixture.database().pool(), &endpoints).await;
}

/// The records of the file as a CSV reader parses them.
fn records(file: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(file.as_bytes());
    reader
        .records()
        .map(|record| {
            let record = record.expect("a well-formed record");
            record.iter().map(str::to_owned).collect()
        })
        .collect()
}

fn passes(filter: &MessageFilter, row: &Row) -> bool {
    row.direction == filter.direction
        && (filter.range.start()..=filter.range.end()).contains(&row.created_at)
        && selects(&filter.status, |status| status.as_str() == row.status)
        && selects(&filter.endpoint, |endpoint| endpoint.0 == row.endpoint)
}

fn selects<T>(choice: &Choice<T>, matches: impl FnMut(&T) -> bool) -> bool {
    choice.values().is_empty() || choice.values().iter().any(matches)
}

impl Case {
    /// Makes these the only rows.
    pub(super) async fn put(&self, fixture: &Fixture) {
        fixture
            .database()
            .execute("TRUNCATE messages, endpoints")
            .await;
        put_endpoints(fixture, self).await;
        let messages: Vec<_> = self.rows.values().map(Row::message).collect();
        fixture.insert_messages(&messages).await;
    }

    fn filter(&self, direction: Direction) -> MessageFilter {
        let mut filter = everything(direction);
        filter.status = self.status.clone();
        filter.endpoint = self.endpoint.clone();
        if let Some((one, other)) = self.ends
            && !self.rows.is_empty()
        {
            let times: Vec<_> = self.rows.values().map(|row| row.created_at).collect();
            let (one, other) = (*one.get(&times), *other.get(&times));
            let (start, end) = (one.min(other), one.max(other));
            // A range must not be empty.
            let start = if start == end {
                start - TimeDelta::microseconds(1)
            } else {
                start
            };
            filter.range = TimeRange::new(start, end).expect("the end is after the start");
        }
        filter
    }

    pub(super) fn urls_of(&self, direction: Direction) -> HashMap<Uuid, String> {
        let numbers = match direction {
            Direction::Outbound => [0, 1],
            Direction::Inbound => [2, 3],
        };
        let url = |number| (endpoint(number), self.urls[number].clone());
        numbers.map(url).into()
    }
}

fn endpoint(number: usize) -> Uuid {
    uuid(number as u128 + 1)
}

fn endpoints() -> impl Iterator<Item = Uuid> {
    (0..ENDPOINTS).map(endpoint)
}

/// Usually every value, sometimes one or a list.
fn choice<T: Clone + Ord + std::fmt::Debug + 'static>(
    values: Vec<T>,
) -> impl Strategy<Value = Choice<T>> {
    let all = values.len();
    prop_oneof![
        6 => Just(Choice::Any),
        1 => prop::sample::select(values.clone()).prop_map(Choice::One),
        2 => prop::sample::subsequence(values, 1..=all)
            .prop_map(|some| Choice::OneOf(ValueSet::new(some).expect("distinct values"))),
    ]
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::btree_map(any::<u128>(), row(), 0..60),
        prop::collection::vec(text(), ENDPOINTS),
        choice(MessageStatus::ALL.to_vec()),
        choice(endpoints().map(EndpointId).collect()),
        prop::option::weighted(0.5, any::<(prop::sample::Index, prop::sample::Index)>()),
    )
        .prop_map(|(mut rows, urls, status, endpoint, ends)| {
            for (id, row) in &mut rows {
                row.id = Uuid::from_u128(*id);
            }
            Case {
                rows,
                urls,
                status,
                endpoint,
                ends,
            }
        })
}

fn row() -> impl Strategy<Value = Row> {
    let statuses = MessageStatus::ALL.iter().map(|status| status.as_str());
    let who = (
        prop::sample::select(Direction::ALL),
        0..ENDPOINTS,
        prop::sample::select(statuses.collect::<Vec<_>>()),
    );
    let when = (time(), prop::option::of(time()), prop::option::of(time()));
    let numbers = (
        int(),
        prop::option::of(int()),
        prop::option::of(int()),
        prop::option::of(int()),
    );
    (who, when, numbers, prop::option::of(text())).prop_map(|(who, when, numbers, last_error)| {
        Row {
            id: Uuid::nil(),
            direction: who.0,
            endpoint: endpoint(who.1),
            status: who.2,
            attempt_count: numbers.0,
            created_at: when.0,
            delivered_at: when.1,
            next_attempt_at: when.2,
            response_status: numbers.1,
            response_latency_ms: numbers.2,
            total_delivery_ms: numbers.3,
            last_error,
        }
    })
}

/// Often the same few microseconds, so that ids decide the order, and sometimes the minimum or the maximum.
fn time() -> impl Strategy<Value = DateTime<Utc>> {
    // One above the minimum, because a range may have to begin before a row.
    let micros = prop_oneof![
        4 => USUAL..USUAL + 3,
        2 => FIRST + 1..=LAST,
        1 => Just(FIRST + 1),
        1 => Just(LAST),
    ];
    micros.prop_map(|micros| DateTime::from_timestamp_micros(micros).expect("a time"))
}

fn int() -> impl Strategy<Value = i32> {
    prop_oneof![
        Just(i32::MIN),
        Just(-1),
        Just(0),
        Just(i32::MAX),
        any::<i32>()
    ]
}

/// Any text that PostgreSQL accepts, with many special characters of CSV and spreadsheets.
fn text() -> impl Strategy<Value = String> {
    const PIECES: [&str; 24] = [
        "\"",
        "\"\"",
        ",",
        "\r",
        "\n",
        "\r\n",
        "\t",
        "=",
        "+",
        "-",
        "@",
        "'",
        ";",
        " ",
        "\\",
        "\\.",
        "a",
        "NULL",
        "🦀",
        "👩‍👩‍👧",
        "e\u{301}",
        "\u{feff}",
        "\u{2028}",
        "\u{85}",
    ];
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8);
    let characters =
        prop::collection::vec(any::<char>().prop_filter("no NUL", |c| *c != '\0'), 0..30);
    prop_oneof![
        3 => pieces.prop_map(|pieces| pieces.concat()),
        1 => characters.prop_map(String::from_iter),
    ]
}
