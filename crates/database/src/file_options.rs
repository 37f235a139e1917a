//! The options of a file, as JSON in the column `file_options`: only those that the request gave.

use exports_domain::{
    Columns, CsvOptions, Direction, FileFormat, FileOptions, FileTimeZone, GivenOptions,
    RowsPerFile,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;
use crate::row::{corrupt, known};

const COLUMN: &str = "file_options";

/// The names are those of the API.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    csv: Option<StoredCsv>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rows_per_file: Option<u64>,
}

/// With all members, so that a default that changes in a later release does not change the file of an earlier request.
#[derive(Serialize, Deserialize)]
struct StoredCsv {
    delimiter: String,
    line_ending: String,
    header: bool,
    bom: bool,
    formula_guard: bool,
}

/// The JSON; `None` if the request gave nothing.
pub(crate) fn text(options: &FileOptions) -> Option<String> {
    if options.is_plain() {
        return None;
    }
    let given = options.given();
    let names = |columns: &Columns| columns.as_slice().iter().map(ToString::to_string).collect();
    let stored = Stored {
        format: given.format.map(|it| it.to_string()),
        compression: given.compression.map(|it| it.to_string()),
        columns: given.columns.as_ref().map(names),
        timezone: given.timezone.map(|it| it.to_string()),
        csv: given.csv.map(|csv| StoredCsv {
            delimiter: csv.delimiter.to_string(),
            line_ending: csv.line_ending.to_string(),
            header: csv.header,
            bom: csv.bom,
            formula_guard: csv.formula_guard,
        }),
        max_rows_per_file: given.max_rows_per_file.map(RowsPerFile::get),
    };
    Some(serde_json::to_string(&stored).expect("texts and booleans have a form in JSON"))
}

/// The options of the export with this id.
pub(crate) fn parse(
    id: Uuid,
    text: Option<&str>,
    direction: Direction,
) -> Result<FileOptions, Error> {
    let Some(text) = text else {
        return Ok(FileOptions::default());
    };
    let unreadable = || corrupt(id, COLUMN, &text);
    let stored: Stored = serde_json::from_str(text).map_err(|_| unreadable())?;
    let format = stored.format.as_deref();
    let compression = stored.compression.as_deref();
    let columns = stored.columns.as_deref();
    let timezone = stored.timezone.as_deref();
    let given = GivenOptions {
        format: format
            .map(|it| known::<FileFormat>(id, COLUMN, it))
            .transpose()?,
        compression: compression.map(|it| known(id, COLUMN, it)).transpose()?,
        columns: columns
            .map(|it| self::columns(id, it, direction))
            .transpose()?,
        timezone: timezone
            .map(|it| known::<FileTimeZone>(id, COLUMN, it))
            .transpose()?,
        csv: stored.csv.map(|it| csv(id, &it)).transpose()?,
        max_rows_per_file: stored
            .max_rows_per_file
            .map(RowsPerFile::try_from)
            .transpose()
            .map_err(|_| unreadable())?,
    };
    FileOptions::new(given).map_err(|_| unreadable())
}

fn columns(id: Uuid, names: &[String], direction: Direction) -> Result<Columns, Error> {
    let columns = names.iter().map(|name| known(id, COLUMN, name));
    let columns = columns.collect::<Result<_, _>>()?;
    Columns::new(columns, direction).map_err(|_| corrupt(id, COLUMN, &names.join(", ")))
}

fn csv(id: Uuid, stored: &StoredCsv) -> Result<CsvOptions, Error> {
    Ok(CsvOptions {
        delimiter: known(id, COLUMN, &stored.delimiter)?,
        line_ending: known(id, COLUMN, &stored.line_ending)?,
        header: stored.header,
        bom: stored.bom,
        formula_guard: stored.formula_guard,
    })
}

#[cfg(test)]
mod tests {
    use exports_domain::{Column, Compression, Delimiter, LineEnding};

    use super::*;

    #[test]
    fn options_round_trip_as_they_were_given() {
        let direction = Direction::Inbound;
        let every = GivenOptions {
            format: Some(FileFormat::Csv),
            compression: Some(Compression::Gzip),
            columns: Some(
                Columns::new(vec![Column::Status, Column::MessageId], direction).unwrap(),
            ),
            timezone: Some("Asia/Kathmandu".parse().unwrap()),
            csv: Some(CsvOptions {
                delimiter: Delimiter::Tab,
                line_ending: LineEnding::Lf,
                header: false,
                bom: true,
                formula_guard: false,
            }),
            max_rows_per_file: Some(RowsPerFile::try_from(1_048_575).unwrap()),
        };
        let parquet = GivenOptions {
            format: Some(FileFormat::Parquet),
            ..GivenOptions::default()
        };
        for given in [every, parquet] {
            let options = FileOptions::new(given).unwrap();
            let stored = text(&options).unwrap();
            let read = parse(Uuid::nil(), Some(&stored), direction).unwrap();
            assert_eq!(read, options, "{stored}");
        }
    }

    #[test]
    fn plain_exports_store_nothing() {
        let plain = FileOptions::default();
        assert_eq!(text(&plain), None);
        let read = parse(Uuid::nil(), None, Direction::Outbound).unwrap();
        assert_eq!(read, plain);
    }

    #[test]
    fn what_is_unknown_or_contradictory_is_an_error() {
        for stored in [
            "[]",
            r#"{"format": "xlsx"}"#,
            r#"{"format": "csv", "compression": "snappy"}"#,
            r#"{"columns": []}"#,
            r#"{"columns": ["received_at"]}"#,
            r#"{"timezone": "Mars/Olympus"}"#,
            r#"{"csv": {"delimiter": ","}}"#,
            r#"{"max_rows_per_file": 1}"#,
        ] {
            let read = parse(Uuid::nil(), Some(stored), Direction::Outbound);
            assert!(matches!(read, Err(Error::Corrupt { .. })), "{stored}");
        }
    }
}
