//! Parses the options of the file in the body of a create.

use exports_domain::{
    Column, Columns, ColumnsError, CsvOptions, Delimiter, Direction, FileOptions, GivenOptions,
    RowsPerFile, UnknownName, UnknownTimeZone,
};

use super::request::name;
use crate::json_fields::{Field, JsonFields};

const CSV_FIELDS: &[&str] = &["delimiter", "line_ending", "header", "bom", "formula_guard"];

/// The options; `None` after a fault. The columns are those of a direction, which is `None` if it has a fault itself.
pub(super) fn parse(fields: &mut JsonFields, direction: Option<Direction>) -> Option<FileOptions> {
    let format = fields.text("format", name);
    let compression = fields.text("compression", name);
    let columns = columns(fields, direction);
    let timezone = fields.text("timezone", |text| {
        text.parse()
            .map_err(|error: UnknownTimeZone| error.to_string())
    });
    let csv = csv(fields);
    let max_rows_per_file = fields.whole_number("max_rows_per_file", |rows| {
        RowsPerFile::try_from(rows).map_err(|error| error.to_string())
    });
    // Whether the options contradict each other is known only if the format is.
    if format == Field::Faulty {
        return None;
    }
    let is_faulty = [
        compression == Field::Faulty,
        columns == Field::Faulty,
        timezone == Field::Faulty,
        csv == Field::Faulty,
        max_rows_per_file == Field::Faulty,
    ];
    let given = GivenOptions {
        format: format.value(),
        compression: compression.value(),
        columns: columns.value(),
        timezone: timezone.value(),
        csv: csv.value(),
        max_rows_per_file: max_rows_per_file.value(),
    };
    match FileOptions::new(given) {
        Ok(options) => (!is_faulty.contains(&true)).then_some(options),
        Err(contradictions) => {
            for contradiction in contradictions {
                fields.faults.add(contradiction.to_string());
            }
            None
        }
    }
}

fn columns(fields: &mut JsonFields, direction: Option<Direction>) -> Field<Columns> {
    let known = direction.map_or(Column::ALL, Column::all_of);
    let column = |text: &str| {
        text.parse().map_err(|_: UnknownName| {
            let names: Vec<_> = known.iter().map(|it| it.as_str()).collect();
            format!("must be one of {}", names.join(", "))
        })
    };
    let check = |columns| {
        let Some(direction) = direction else {
            // The fault of the direction is reported; these columns are not used.
            return Ok(None);
        };
        let checked = Columns::new(columns, direction).map(Some);
        checked.map_err(|faults| faults.iter().map(at_index).collect())
    };
    match fields.sequence("columns", known.len(), column, check) {
        Field::Given(Some(columns)) => Field::Given(columns),
        Field::Given(None) | Field::Faulty => Field::Faulty,
        Field::Absent => Field::Absent,
    }
}

/// Follows the name of the field.
fn at_index(fault: &ColumnsError) -> String {
    match fault.index() {
        Some(index) => format!("[{index}] {fault}"),
        None => format!(" {fault}"),
    }
}

fn csv(fields: &mut JsonFields) -> Field<CsvOptions> {
    fields.object("csv", CSV_FIELDS, |csv| {
        let default = CsvOptions::default();
        let delimiter = csv.text("delimiter", |text| {
            text.parse().map_err(|_: UnknownName| {
                let names = Delimiter::NAMES.iter().map(|it| format!("{it:?}"));
                format!("must be one of {}", names.collect::<Vec<_>>().join(", "))
            })
        });
        CsvOptions {
            delimiter: delimiter.value().unwrap_or(default.delimiter),
            line_ending: csv
                .text("line_ending", name)
                .value()
                .unwrap_or(default.line_ending),
            header: csv.boolean("header").value().unwrap_or(default.header),
            bom: csv.boolean("bom").value().unwrap_or(default.bom),
            formula_guard: csv
                .boolean("formula_guard")
                .value()
                .unwrap_or(default.formula_guard),
        }
    })
}

#[cfg(test)]
mod tests {
    use exports_domain::{Compression, FileFormat, FileTimeZone, LineEnding};
    use serde_json::{Value, json};

    use super::*;
    use crate::create_export::request;

    /// The options of a valid request with these fields.
    fn options(given: &Value) -> Result<FileOptions, String> {
        let mut body = json!({
            "start_time": "2025-12-01T00:00:00Z",
            "end_time": "2025-12-06T23:59:59Z",
        });
        let fields = body.as_object_mut().unwrap();
        fields.extend(given.as_object().unwrap().clone());
        request::parse(body.to_string().as_bytes())
            .map(|request| request.options)
            .map_err(|error| error.message())
    }

    #[test]
    fn without_options_the_file_is_the_plain_csv() {
        let absent = json!({
            "format": null, "compression": null, "columns": null, "timezone": null, "csv": null,
            "max_rows_per_file": null,
        });
        for given in [json!({}), absent] {
            assert_eq!(options(&given), Ok(FileOptions::default()));
        }
    }

    #[test]
    fn every_option_is_parsed() {
        let given = json!({
            "format": "csv", "compression": "gzip", "columns": ["status", "message_id"],
            "timezone": "Europe/Berlin", "max_rows_per_file": 1_048_575,
            "csv": {
                "delimiter": "\t", "line_ending": "lf", "header": false, "bom": true,
                "formula_guard": false,
            },
        });
        let options = options(&given).unwrap();
        let given = options.given();
        assert_eq!(given.format, Some(FileFormat::Csv));
        assert_eq!(given.compression, Some(Compression::Gzip));
        let columns = given.columns.as_ref().map(Columns::as_slice);
        assert_eq!(columns, Some(&[Column::Status, Column::MessageId][..]));
        assert_eq!(
            given.timezone.map(FileTimeZone::name),
            Some("Europe/Berlin")
        );
        let expected = CsvOptions {
            delimiter: Delimiter::Tab,
            line_ending: LineEnding::Lf,
            header: false,
            bom: true,
            formula_guard: false,
        };
        assert_eq!(given.csv, Some(expected));
        assert_eq!(
            given.max_rows_per_file.map(RowsPerFile::get),
            Some(1_048_575)
        );
    }

    #[test]
    fn members_of_csv_that_are_missing_have_their_defaults() {
        let semicolon = options(&json!({"csv": {"delimiter": ";", "bom": null}})).unwrap();
        let expected = CsvOptions {
            delimiter: Delimiter::Semicolon,
            ..CsvOptions::default()
        };
        assert_eq!(semicolon.given().csv, Some(expected));
        let empty = options(&json!({"csv": {}})).unwrap();
        assert_eq!(empty.given().csv, Some(CsvOptions::default()));
    }

    #[test]
    fn an_error_names_the_field_and_the_rule() {
        const OUTBOUND: &str = "must be one of message_id, endpoint_id, endpoint, status, attempt_count, created_at, \
             delivered_at, next_attempt_at, response_status, response_latency_ms, last_error";
        for (given, message) in [
            (
                json!({"format": "xlsx"}),
                "format must be one of csv, jsonl, parquet".to_owned(),
            ),
            (json!({"format": ""}), "format must not be empty".to_owned()),
            (
                json!({"compression": "brotli"}),
                "compression must be one of none, gzip, zstd, snappy".to_owned(),
            ),
            (
                json!({"compression": "snappy"}),
                "compression must be none, gzip or zstd with format csv".to_owned(),
            ),
            (
                json!({"format": "jsonl", "compression": "snappy", "csv": {}}),
                "compression must be none, gzip or zstd with format jsonl; \
                 csv must be given with format csv only: the format is jsonl"
                    .to_owned(),
            ),
            (
                json!({"format": "parquet", "csv": {}}),
                "csv must be given with format csv only: the format is parquet".to_owned(),
            ),
            (
                json!({"columns": []}),
                "columns must have 1 to 11 values".to_owned(),
            ),
            (
                json!({"columns": vec!["status"; 12]}),
                "columns must have 1 to 11 values".to_owned(),
            ),
            (
                json!({"columns": "status"}),
                "columns must be a list of strings".to_owned(),
            ),
            (
                json!({"columns": ["status", "body", 1]}),
                format!("columns[1] {OUTBOUND}; columns[2] must be a string"),
            ),
            (
                json!({"columns": ["received_at", "status", "status"]}),
                "columns[0] must be a column of direction outbound, which does not have received_at; \
                 columns[2] is repeated: each column must be given once"
                    .to_owned(),
            ),
            (
                json!({"direction": "inbound", "columns": ["endpoint_id"]}),
                "columns[0] must be a column of direction inbound, which does not have endpoint_id"
                    .to_owned(),
            ),
            (
                json!({"timezone": "europe/berlin"}),
                "timezone must be an IANA time zone name, such as UTC or Europe/Berlin: did you mean Europe/Berlin?"
                    .to_owned(),
            ),
            (
                json!({"timezone": "+01:00"}),
                "timezone must be an IANA time zone name, such as UTC or Europe/Berlin".to_owned(),
            ),
            (
                json!({"max_rows_per_file": 999}),
                "max_rows_per_file must be 1000 to 1000000000".to_owned(),
            ),
            (
                json!({"max_rows_per_file": "1000"}),
                "max_rows_per_file must be a whole number".to_owned(),
            ),
            (
                json!({"max_rows_per_file": 1000.5}),
                "max_rows_per_file must be a whole number".to_owned(),
            ),
            (
                json!({"max_rows_per_file": -1}),
                "max_rows_per_file must be 1000 to 1000000000".to_owned(),
            ),
            (
                json!({"csv": true}),
                "csv must be an object".to_owned(),
            ),
            (
                json!({"csv": {"delimiter": "tab", "line_ending": "cr", "header": "yes", "quote": "'"}}),
                "csv.delimiter must be one of \",\", \";\", \"\\t\", \"|\"; \
                 csv.line_ending must be one of crlf, lf; \
                 csv.header must be true or false; \
                 unknown field \"csv.quote\": the known fields are csv.delimiter, csv.line_ending, csv.header, \
                 csv.bom, csv.formula_guard"
                    .to_owned(),
            ),
            (
                json!({"direction": "both", "columns": ["received_at", "created_at"]}),
                "direction must be one of outbound, inbound".to_owned(),
            ),
        ] {
            assert_eq!(options(&given), Err(message), "{given}");
        }
    }
}
