//! Reads files of every format with other implementations than those that wrote them, as far as there are any.

use std::io::Read;

use chrono::{DateTime, SecondsFormat, Utc};
use exports_domain::{Compression, CsvOptions, Direction, FileFormat, FileOptions};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Value};

/// The content of a file. Numbers and times are text; `None` is an unset value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// What a CSV has of it: no difference between unset and empty values, and a guard before formulas.
    pub(crate) fn as_csv(&self, csv: CsvOptions) -> Self {
        let free = ["endpoint", "last_error"];
        let cell = |(column, value): (&String, &Option<String>)| {
            let text = value.clone().filter(|text| !text.is_empty())?;
            let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
            if is_formula && csv.formula_guard && free.contains(&column.as_str()) {
                return Some(format!("'{text}"));
            }
            Some(text)
        };
        let row = |row: &Vec<_>| self.columns.iter().zip(row).map(cell).collect();
        Self {
            columns: self.columns.clone(),
            rows: self.rows.iter().map(row).collect(),
        }
    }
}

/// The content of a file.
pub(crate) fn table(file: &[u8], options: &FileOptions, direction: Direction) -> Table {
    match options.format() {
        FileFormat::Parquet => parquet(file),
        FileFormat::Csv => csv(&unpacked(file, options.compression()), options.csv()),
        FileFormat::JsonLines => Table {
            columns: options
                .columns(direction)
                .iter()
                .map(|column| column.as_str().to_owned())
                .collect(),
            rows: json_lines(&unpacked(file, options.compression()), options, direction),
        },
    }
}

/// Unpacks the first member or frame, after which nothing may follow.
fn unpacked(file: &[u8], compression: Compression) -> Vec<u8> {
    let mut content = Vec::new();
    let mut rest = file;
    match compression {
        Compression::None | Compression::Snappy => return file.to_vec(),
        Compression::Gzip => {
            flate2::bufread::GzDecoder::new(&mut rest)
                .read_to_end(&mut content)
                .expect("a gzip member");
            let mut all = Vec::new();
            flate2::read::MultiGzDecoder::new(file)
                .read_to_end(&mut all)
                .expect("gzip members");
            assert!(all == content, "there are several gzip members");
        }
        Compression::Zstd => {
            zstd::stream::read::Decoder::with_buffer(&mut rest)
                .expect("a zstd frame")
                .single_frame()
                .read_to_end(&mut content)
                .expect("a zstd frame");
        }
    }
    assert!(rest.is_empty(), "{} bytes follow", rest.len());
    content
}

fn csv(text: &[u8], options: CsvOptions) -> Table {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(options.delimiter.byte())
        .has_headers(false)
        .from_reader(text);
    let mut records = reader.records().map(|record| {
        let record = record.expect("a CSV record");
        let fields = record
            .iter()
            .map(|field| (!field.is_empty()).then(|| field.to_owned()));
        fields.collect::<Vec<_>>()
    });
    let header = records.next().expect("a header");
    Table {
        columns: header.into_iter().flatten().collect(),
        rows: records.collect(),
    }
}

fn json_lines(
    text: &[u8],
    options: &FileOptions,
    direction: Direction,
) -> Vec<Vec<Option<String>>> {
    let text = std::str::from_utf8(text).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'));
    let columns = options.columns(direction);
    let row = |line: &str| {
        let mut object: Map<String, Value> = serde_json::from_str(line).expect("a JSON object");
        let cell = |value| match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            other => panic!("{other}"),
        };
        let row = columns.iter().map(|column| {
            let value = object.remove(column.as_str());
            cell(value.unwrap_or_else(|| panic!("{line} has no {column}")))
        });
        let row = row.collect();
        assert!(object.is_empty(), "{object:?}");
        row
    };
    text.split_terminator('\n').map(row).collect()
}

fn parquet(file: &[u8]) -> Table {
    let file = bytes::Bytes::copy_from_slice(file);
    let reader = SerializedFileReader::new(file).expect("a Parquet file");
    let columns = reader.metadata().file_metadata().schema_descr().columns();
    let columns = columns.iter().map(|column| column.name().to_owned());
    let cell = |field: &Field| match field {
        Field::Null => None,
        Field::Str(text) => Some(text.clone()),
        Field::Int(number) => Some(number.to_string()),
        Field::TimestampMicros(micros) => {
            let time = DateTime::<Utc>::from_timestamp_micros(*micros).expect("in range");
            Some(time.to_rfc3339_opts(SecondsFormat::Micros, true))
        }
        other => panic!("{other:?}"),
    };
    let rows: Vec<Vec<_>> = reader
        .get_row_iter(None)
        .expect("rows")
        .map(|row| {
            let row = row.expect("a row");
            row.get_column_iter()
                .map(|(_, field)| cell(field))
                .collect()
        })
        .collect();
    let in_footer = reader.metadata().file_metadata().num_rows();
    assert_eq!(u64::try_from(in_footer), Ok(rows.len() as u64));
    let groups = reader.metadata().row_groups();
    assert!(groups.iter().all(|group| group.num_rows() <= 128 * 1024));
    Table {
        columns: columns.collect(),
        rows,
    }
}
