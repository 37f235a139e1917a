//! The body of a create, from flags. The API checks it.

use clap::Args;
use serde_json::{Map, Value, json};

/// Which messages, and what the file is like. 'docs/api.md' explains each field.
#[derive(Debug, Args)]
pub(super) struct Request {
    /// Start of the time range, inclusive, such as 2025-12-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    start: String,
    /// End of the time range, inclusive
    #[arg(long, value_name = "TIME")]
    end: String,
    /// outbound or inbound [default: outbound]
    #[arg(long)]
    direction: Option<String>,
    /// Only messages with one of these statuses
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    status: Vec<String>,
    /// Only messages of these endpoints
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    endpoint: Vec<String>,
    /// A text for people
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// csv, jsonl or parquet [default: csv]
    #[arg(long)]
    format: Option<String>,
    /// none, gzip, zstd or, for parquet, snappy
    #[arg(long)]
    compression: Option<String>,
    /// The columns, in their order
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// The time zone of all times, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "NAME")]
    timezone: Option<String>,
    /// The character between two fields of a CSV: , ; | or \t
    #[arg(long, value_name = "CHARACTER")]
    csv_delimiter: Option<String>,
    /// crlf or lf
    #[arg(long, value_name = "NAME")]
    csv_line_ending: Option<String>,
    /// A CSV without the names of the columns
    #[arg(long)]
    csv_no_header: bool,
    /// A CSV with a byte order mark, by which Excel recognizes UTF-8
    #[arg(long)]
    csv_bom: bool,
    /// A CSV without the leading ' of texts that a spreadsheet would treat as formulas
    #[arg(long)]
    csv_no_formula_guard: bool,
    /// Splits the export into files of so many rows
    #[arg(long, value_name = "ROWS")]
    max_rows_per_file: Option<u64>,
}

impl Request {
    pub(super) fn body(&self) -> Value {
        let list = |values: &[String]| (!values.is_empty()).then(|| json!(values));
        let is_inbound = self.direction.as_deref() == Some("inbound");
        let endpoints = if is_inbound {
            "inbound_endpoint_ids"
        } else {
            "endpoint_ids"
        };
        object([
            ("start_time", Some(json!(self.start))),
            ("end_time", Some(json!(self.end))),
            ("direction", self.direction.as_ref().map(|it| json!(it))),
            ("statuses", list(&self.status)),
            (endpoints, list(&self.endpoint)),
            ("label", self.label.as_ref().map(|it| json!(it))),
            ("format", self.format.as_ref().map(|it| json!(it))),
            ("compression", self.compression.as_ref().map(|it| json!(it))),
            ("columns", list(&self.columns)),
            ("timezone", self.timezone.as_ref().map(|it| json!(it))),
            ("csv", self.csv()),
            (
                "max_rows_per_file",
                self.max_rows_per_file.map(|it| json!(it)),
            ),
        ])
    }

    fn csv(&self) -> Option<Value> {
        // Shells make it hard to write a tab.
        let delimiter = self
            .csv_delimiter
            .as_deref()
            .map(|it| if it == "\\t" { "\t" } else { it });
        let csv = object([
            ("delimiter", delimiter.map(|it| json!(it))),
            (
                "line_ending",
                self.csv_line_ending.as_ref().map(|it| json!(it)),
            ),
            ("header", self.csv_no_header.then_some(json!(false))),
            ("bom", self.csv_bom.then_some(json!(true))),
            (
                "formula_guard",
                self.csv_no_formula_guard.then_some(json!(false)),
            ),
        ]);
        csv.as_object()
            .is_some_and(|csv| !csv.is_empty())
            .then_some(csv)
    }
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        request: Request,
    }

    fn body(flags: &str) -> Value {
        let line = format!("create --start a --end b {flags}");
        Line::try_parse_from(line.split_whitespace())
            .unwrap()
            .request
            .body()
    }

    #[test]
    fn only_what_is_given_is_sent() {
        assert_eq!(body(""), json!({"start_time": "a", "end_time": "b"}));
        assert_eq!(
            body(
                "--direction inbound --status queued,succeeded --endpoint x --endpoint y --max-rows-per-file 1000"
            ),
            json!({
                "start_time": "a", "end_time": "b", "direction": "inbound", "statuses": ["queued", "succeeded"],
                "inbound_endpoint_ids": ["x", "y"], "max_rows_per_file": 1000,
            })
        );
        assert_eq!(
            body("--csv-delimiter \\t --csv-no-header --columns status,endpoint")["csv"],
            json!({"delimiter": "\t", "header": false})
        );
    }
}
