//! Property test: every format with every compression has the same rows.

use std::collections::HashMap;

use exports_domain::{
    Column, Compression, CsvOptions, Delimiter, Direction, FileFormat, FileOptions, GivenOptions,
    LineEnding,
};
use exports_tests::{StoreKind, uuid};
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use super::any_rows::{self, Case};
use super::parsed::{self, Table};
use crate::rows::{Row, put_large};
use crate::support::{Fixture, everything};

/// Every format with every compression, and a CSV with other options.
fn all_options() -> Vec<FileOptions> {
    let mut all = Vec::new();
    for &format in FileFormat::ALL {
        for &compression in Compression::all_of(format) {
            all.push(GivenOptions {
                format: Some(format),
                compression: Some(compression),
                ..GivenOptions::default()
            });
        }
    }
    all.push(GivenOptions {
        csv: Some(CsvOptions {
            delimiter: Delimiter::Tab,
            line_ending: LineEnding::Lf,
            formula_guard: false,
            ..CsvOptions::default()
        }),
        ..GivenOptions::default()
    });
    let options = |given| FileOptions::new(given).expect("options that fit together");
    all.into_iter().map(options).collect()
}

#[test]
fn every_format_with_every_compression_has_the_same_rows() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let fixture = runtime.block_on(Fixture::without_services(StoreKind::File));
    let _worker = runtime.block_on(async { fixture.start_worker(&[("EXPORTS_READERS", "3")]) });
    let mut runner = TestRunner::new(Config {
        cases: 8,
        max_shrink_iters: 50,
        failure_persistence: None,
        ..Config::default()
    });
    let ran = runner.run(&any_rows::case(), |case| {
        runtime.block_on(check(&fixture, &case));
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}\n{runner}"));
}

async fn check(fixture: &Fixture, case: &Case) {
    case.put(fixture).await;
    for &direction in Direction::ALL {
        let rows = case.rows.values().filter(|row| row.direction == direction);
        let expected = table(direction, rows, &case.urls_of(direction));
        assert_in_every_format(fixture, direction, &expected).await;
    }
}

/// Exports everything in every format at the same time.
async fn assert_in_every_format(fixture: &Fixture, direction: Direction, expected: &Table) {
    let mut exports = Vec::new();
    for options in all_options() {
        let id = fixture
            .queue_export_as(everything(direction), options.clone())
            .await;
        exports.push((options, id));
    }
    for (options, id) in exports {
        let file = fixture.read_stored(id).await;
        let rows = fixture.wait_until_completed(id).await.row_count;
        assert_eq!(rows, expected.rows.len() as u64, "{options:?}");
        let found = parsed::table(&file, &options, direction);
        let expected = if options.format() == FileFormat::Csv {
            &expected.as_csv(options.csv())
        } else {
            expected
        };
        assert!(
            found == *expected,
            "{options:?}: {found:?}\nexpected {expected:?}"
        );
    }
}

/// The rows in the order of the file.
fn table<'a>(
    direction: Direction,
    rows: impl Iterator<Item = &'a Row>,
    urls: &HashMap<Uuid, String>,
) -> Table {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| (row.created_at, row.id));
    Table {
        columns: Column::all_of(direction)
            .iter()
            .map(|column| column.as_str().to_owned())
            .collect(),
        rows: rows.into_iter().map(|row| row.values(urls)).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_errors_are_in_every_format() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    put_large(fixture.database(), 300).await;
    let mut worker = fixture.start_worker(&[("EXPORTS_READERS", "2")]);
    worker.wait_for_event("worker started").await;
    let row = |number: u32| Row {
        last_error: Some(format!("{number:08}").repeat(12_500)),
        ..Row::plain(number)
    };
    let rows: Vec<_> = (0..300).map(row).collect();
    let expected = table(Direction::Outbound, rows.iter(), &HashMap::new());
    assert_in_every_format(&fixture, Direction::Outbound, &expected).await;
    let (_, peak) = worker.memory();
    assert!(peak < 256 << 20, "peak of {} MiB", peak >> 20);
}

/// So many that they are several slices, row groups and parts of an upload; many have the same microsecond.
#[tokio::test(flavor = "multi_thread")]
async fn many_rows_are_in_every_format() {
    const ROWS: u32 = 40_000;
    let fixture = Fixture::without_services(StoreKind::File).await;
    let rows: Vec<_> = (0..ROWS)
        .map(|number| Row {
            created_at: Row::plain(number / 20_000 * 20_000 + number % 20_000 / 2).created_at,
            last_error: (number % 3 == 0).then(|| format!("error {number}\n")),
            ..Row::plain(number)
        })
        .collect();
    for rows in rows.chunks(5_000) {
        let messages: Vec<_> = rows.iter().map(Row::message).collect();
        fixture.insert_messages(&messages).await;
    }
    let _worker = fixture.start_worker(&[("EXPORTS_READERS", "3")]);
    let expected = table(Direction::Outbound, rows.iter(), &HashMap::new());
    assert_in_every_format(&fixture, Direction::Outbound, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_columns_are_in_their_order_and_times_in_their_zone() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    fixture
        .insert_messages(&[Row::plain(7).message(), Row::plain(8).message()])
        .await;
    let _worker = fixture.start_worker(&[]);
    let columns = vec![Column::CreatedAt, Column::Status, Column::MessageId];
    let given = GivenOptions {
        columns: Some(
            exports_domain::Columns::new(columns, Direction::Outbound).expect("outbound columns"),
        ),
        timezone: Some("Europe/Berlin".parse().expect("a zone")),
        ..GivenOptions::default()
    };
    let csv = FileOptions::new(given.clone()).expect("options");
    let id = fixture
        .queue_export_as(everything(Direction::Outbound), csv)
        .await;
    let file = fixture.read_stored(id).await;
    assert_eq!(
        std::str::from_utf8(&file).expect("UTF-8"),
        format!(
            "created_at,status,message_id\r\n\
             2025-12-03T13:00:07.000000+01:00,succeeded,{}\r\n\
             2025-12-03T13:00:08.000000+01:00,succeeded,{}\r\n",
            uuid(7),
            uuid(8)
        )
    );
    let lines = FileOptions::new(GivenOptions {
        format: Some(FileFormat::JsonLines),
        ..given
    })
    .expect("options");
    let id = fixture
        .queue_export_as(everything(Direction::Outbound), lines)
        .await;
    let file = fixture.read_stored(id).await;
    let first = format!(
        "{{\"created_at\":\"2025-12-03T13:00:07.000000+01:00\",\"status\":\"succeeded\",\"message_id\":\"{}\"}}\n",
        uuid(7)
    );
    assert!(file.starts_with(first.as_bytes()), "{file:?}");
}
