//! Any rows must be read from a file of each format as they were.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod rows;

use exports_domain::{Column, CsvOptions, Delimiter, LineEnding};
use exports_formats::FileShape;
use exports_formats::csv::CustomCsvWriter;
use exports_formats::json_lines::JsonLinesWriter;
use exports_formats::parquet::{Codec, Parquet};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;
use rows::{Cell, Message, Urls, files, time, written};
use uuid::Uuid;

fn dialect() -> impl Strategy<Value = CsvOptions> {
    (
        prop::sample::select(vec![
            Delimiter::Comma,
            Delimiter::Semicolon,
            Delimiter::Tab,
            Delimiter::Pipe,
        ]),
        prop::sample::select(vec![LineEnding::Crlf, LineEnding::Lf]),
        any::<[bool; 3]>(),
    )
        .prop_map(
            |(delimiter, line_ending, [header, bom, formula_guard])| CsvOptions {
                delimiter,
                line_ending,
                header,
                bom,
                formula_guard,
            },
        )
}

/// As the `csv` crate writes it.
fn expected_csv(shape: &FileShape, csv: CsvOptions, messages: &[Message], urls: &Urls) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(csv.delimiter.byte())
        .terminator(match csv.line_ending {
            LineEnding::Crlf => csv::Terminator::CRLF,
            LineEnding::Lf => csv::Terminator::Any(b'\n'),
        })
        .from_writer(if csv.bom {
            b"\xef\xbb\xbf".to_vec()
        } else {
            Vec::new()
        });
    if csv.header {
        let names = shape.columns.iter().map(|column| column.as_str());
        writer.write_record(names).unwrap();
    }
    for message in messages {
        let fields = shape
            .columns
            .iter()
            .map(|column| match message.cell(*column, urls) {
                Cell::Unset => String::new(),
                Cell::Text(text) => text,
                Cell::FreeText(text) => {
                    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
                    let guard = if is_formula && csv.formula_guard {
                        "'"
                    } else {
                        ""
                    };
                    format!("{guard}{text}")
                }
                Cell::Int(number) => number.to_string(),
                Cell::Time(micros) => time(micros, shape.time_zone),
            });
        writer.write_record(fields).unwrap();
    }
    writer.into_inner().unwrap()
}

/// As `serde_json` writes it.
fn expected_json(shape: &FileShape, messages: &[Message], urls: &Urls) -> String {
    let line = |message: &Message| {
        let members: Vec<_> = shape
            .columns
            .iter()
            .map(|column| {
                let value = match message.cell(*column, urls) {
                    Cell::Unset => serde_json::Value::Null,
                    Cell::Text(text) | Cell::FreeText(text) => text.into(),
                    Cell::Int(number) => number.into(),
                    Cell::Time(micros) => time(micros, shape.time_zone).into(),
                };
                format!("\"{}\":{value}", column.as_str())
            })
            .collect();
        format!("{{{}}}\n", members.join(","))
    };
    messages.iter().map(line).collect()
}

fn read_parquet(file: Vec<u8>) -> (SerializedFileReader<bytes::Bytes>, Vec<Vec<(String, Cell)>>) {
    let reader = SerializedFileReader::new(file.into()).unwrap();
    let cell = |field: &Field| match field {
        Field::Null => Cell::Unset,
        Field::Str(text) => Cell::Text(text.clone()),
        Field::Int(number) => Cell::Int(*number),
        Field::TimestampMicros(micros) => Cell::Time(*micros),
        other => panic!("{other:?}"),
    };
    let row = |row: parquet::record::Row| {
        let columns = row.get_column_iter();
        columns
            .map(|(name, field)| (name.clone(), cell(field)))
            .collect()
    };
    let rows = reader.get_row_iter(None).unwrap();
    let rows = rows.map(|it| row(it.unwrap())).collect();
    (reader, rows)
}

proptest! {
    #[test]
    fn csv_with_options_is_written_as_the_csv_crate_writes_it(
        (shape, messages, urls, slices) in files(),
        csv in dialect(),
    ) {
        let expected = expected_csv(&shape, csv, &messages, &urls);
        let format = CustomCsvWriter::new(&shape, csv, urls);
        prop_assert!(written(&format, &messages, &slices) == expected);
    }

    #[test]
    fn json_lines_are_written_as_serde_json_writes_them(
        (shape, messages, urls, slices) in files(),
    ) {
        let expected = expected_json(&shape, &messages, &urls);
        let format = JsonLinesWriter::new(&shape, urls);
        prop_assert!(written(&format, &messages, &slices) == expected.as_bytes());
    }

    #[test]
    fn parquet_is_read_as_it_was(
        (shape, messages, urls, slices) in files(),
        codec in prop::sample::select(vec![Codec::Zstd, Codec::Gzip, Codec::Snappy, Codec::None]),
    ) {
        let cell = |message: &Message, column: Column| match message.cell(column, &urls) {
            Cell::FreeText(text) => Cell::Text(text),
            other => other,
        };
        let row = |message: &Message| {
            let columns = shape.columns.iter();
            columns.map(|it| (it.as_str().to_owned(), cell(message, *it))).collect::<Vec<_>>()
        };
        let expected: Vec<_> = messages.iter().map(row).collect();
        let format = Parquet::new(&shape, codec, urls.clone()).unwrap();
        let (reader, rows) = read_parquet(written(&format, &messages, &slices));
        prop_assert!(rows == expected);
        let footer = reader.metadata().file_metadata();
        prop_assert_eq!(footer.num_rows(), i64::try_from(messages.len()).unwrap());
    }
}

fn few_columns() -> FileShape {
    FileShape {
        columns: vec![Column::MessageId, Column::LastError, Column::CreatedAt],
        time_zone: exports_domain::FileTimeZone::UTC,
    }
}

fn numbered(index: usize, last_error: Option<String>) -> Message {
    Message {
        id: Uuid::from_u128(index as u128),
        endpoint: None,
        status: "queued",
        attempt_count: 0,
        times: (0, [None; 2]),
        response: [None; 3],
        last_error,
        url: None,
    }
}

#[test]
fn a_row_group_of_parquet_has_at_most_131072_rows() {
    let messages: Vec<_> = (0..131_082).map(|it| numbered(it, None)).collect();
    let format = Parquet::new(&few_columns(), Codec::Snappy, None::<Vec<_>>).unwrap();
    let file = written(&format, &messages, &[7]);
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
    let groups = reader.metadata().row_groups();
    let rows: Vec<_> = groups.iter().map(RowGroupMetaData::num_rows).collect();
    assert_eq!(rows, [7, 131_072, 3]);
    let ordinals: Vec<_> = groups.iter().map(RowGroupMetaData::ordinal).collect();
    assert_eq!(ordinals, [Some(0), Some(1), Some(2)]);
}

#[test]
fn a_row_group_of_long_texts_ends_early() {
    let error = |index: usize| {
        let mut state = index as u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
        };
        Some((0..100_000).map(|_| next()).collect::<String>())
    };
    let messages: Vec<_> = (0..300).map(|it| numbered(it, error(it))).collect();
    let format = Parquet::new(&few_columns(), Codec::None, None::<Vec<_>>).unwrap();
    let (reader, rows) = read_parquet(written(&format, &messages, &[]));
    let groups = reader.metadata().row_groups();
    assert!(groups.len() >= 3, "{}", groups.len());
    assert!(
        groups
            .iter()
            .all(|group| group.compressed_size() < 10_000_000)
    );
    for (row, message) in rows.iter().zip(&messages) {
        assert!(row[1].1 == Cell::Text(message.last_error.clone().unwrap()));
    }
}

#[test]
fn a_file_without_rows_is_whole() {
    let format = Parquet::new(&few_columns(), Codec::Zstd, None::<Vec<_>>).unwrap();
    let (reader, rows) = read_parquet(written(&format, &[], &[]));
    assert!(rows.is_empty());
    let names: Vec<_> = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .columns()
        .to_vec();
    let names: Vec<_> = names.iter().map(|column| column.name()).collect();
    assert_eq!(names, ["message_id", "last_error", "created_at"]);
    let lines = JsonLinesWriter::new(&few_columns(), None::<Vec<_>>);
    assert!(written(&lines, &[], &[]).is_empty());
}
