//! The schema of the request body of `POST /v1/exports` and of `POST /v1/exports/estimate`, as `/openapi.json`
//! describes it.

use exports_domain::{Column, Compression, Direction, FileFormat};
use exports_wire::{
    ColumnSchema, CompressionSchema, DelimiterSchema, DirectionSchema, FileFormatSchema,
    LineEndingSchema, MessageStatusSchema,
};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The filter for the messages to export. `null` is the same as absent.
///
/// `status` and `statuses` exclude each other, and so do `endpoint_id` and `endpoint_ids`, and `inbound_endpoint_id` and
/// `inbound_endpoint_ids`.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "only the schema of the body: `request::parse` reads its fields"
)]
pub(crate) struct CreateExport {
    /// Start of the export time range, inclusive; RFC 3339 with an offset
    #[schema(format = DateTime, example = "2025-12-01T00:00:00Z")]
    start_time: String,
    /// End of the export time range, inclusive; after its start. It may be in the future: the range is then open, and rows
    /// that are committed after the snapshot of the file are not in it
    #[schema(format = DateTime, example = "2025-12-06T23:59:59Z")]
    end_time: String,
    #[schema(nullable = false, default = "outbound")]
    direction: Option<DirectionSchema>,
    /// Only messages with this status
    #[schema(nullable = false)]
    status: Option<MessageStatusSchema>,
    /// Only messages with one of these statuses
    #[schema(nullable = false, min_items = 1, max_items = 5)]
    statuses: Option<Vec<MessageStatusSchema>>,
    /// Only messages to this outbound endpoint
    #[schema(
        nullable = false,
        pattern = "^ep_[0-9a-fA-F]{32}$",
        example = "ep_550e8400e29b41d4a716446655440000"
    )]
    endpoint_id: Option<String>,
    /// Only messages to one of these outbound endpoints
    #[schema(
        nullable = false,
        min_items = 1,
        max_items = 50,
        example = json!(["ep_550e8400e29b41d4a716446655440000"])
    )]
    endpoint_ids: Option<Vec<String>>,
    /// Only messages to this inbound endpoint; requires direction=inbound
    #[schema(nullable = false, format = Uuid, example = "01935abc-def0-7123-4567-890abcdef012")]
    inbound_endpoint_id: Option<String>,
    /// Only messages to one of these inbound endpoints; requires direction=inbound
    #[schema(
        nullable = false,
        min_items = 1,
        max_items = 50,
        example = json!(["01935abc-def0-7123-4567-890abcdef012"])
    )]
    inbound_endpoint_ids: Option<Vec<uuid::Uuid>>,
    /// What you call the export, without control characters; returned as it is
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 200,
        example = "December, for the auditors"
    )]
    label: Option<String>,
    #[schema(nullable = false, default = "csv")]
    format: Option<FileFormatSchema>,
    /// The default is `none`; with format=parquet it is `zstd`. `snappy` requires format=parquet
    #[schema(nullable = false)]
    compression: Option<CompressionSchema>,
    /// The columns of the file, in this order. The default is all columns of the direction. Columns that are not given are not
    /// read from the database
    #[schema(nullable = false, min_items = 1, max_items = 12, example = json!(["message_id", "status", "created_at"]))]
    columns: Option<Vec<ColumnSchema>>,
    /// The time zone of all times in the file, an IANA name. Times have its offset at that moment. In Parquet, times are
    /// instants in UTC, whatever the time zone is
    #[schema(
        nullable = false,
        min_length = 1,
        default = "UTC",
        example = "Europe/Berlin"
    )]
    timezone: Option<String>,
    /// The dialect of the CSV; requires format=csv. Members that are not given have their defaults
    #[schema(nullable = false)]
    csv: Option<CreateCsvOptions>,
    /// Splits the export into files of so many rows; the last one has the rest. Each is whole in itself: with a header, or as one
    /// gzip member. An export has at most 1,000 files
    #[schema(
        nullable = false,
        minimum = 1000,
        maximum = 1_000_000_000,
        example = 1_048_575
    )]
    max_rows_per_file: Option<u64>,
}

/// The dialect of a CSV. The default is RFC 4180. `null` is the same as absent.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "only the schema of the body: `request::parse` reads its fields"
)]
pub(crate) struct CreateCsvOptions {
    #[schema(nullable = false, default = ",")]
    delimiter: Option<DelimiterSchema>,
    #[schema(nullable = false, default = "crlf")]
    line_ending: Option<LineEndingSchema>,
    /// Whether the first record has the names of the columns
    #[schema(nullable = false, default = true)]
    header: Option<bool>,
    /// Whether the file starts with a byte order mark of UTF-8
    #[schema(nullable = false, default = false)]
    bom: Option<bool>,
    /// Whether free text that a spreadsheet would take for a formula gets a leading `'`
    #[schema(nullable = false, default = true)]
    formula_guard: Option<bool>,
}

/// Adds to the schema what utoipa cannot express: which fields exclude each other. Generators ignore it, so there is one type.
pub(crate) fn refine_schema(schema: &mut Value) {
    let none_of = |names: &[&[&str]]| {
        let given: Vec<_> = names.iter().map(|it| json!({ "required": it })).collect();
        json!({ "not": { "anyOf": given } })
    };
    for list in [
        "statuses",
        "endpoint_ids",
        "inbound_endpoint_ids",
        "columns",
    ] {
        schema["properties"][list]["uniqueItems"] = json!(true);
    }
    let pattern = schema["properties"]["endpoint_id"]["pattern"].clone();
    schema["properties"]["endpoint_ids"]["items"]["pattern"] = pattern;
    let both = [
        ["status", "statuses"].as_slice(),
        &["endpoint_id", "endpoint_ids"],
        &["inbound_endpoint_id", "inbound_endpoint_ids"],
    ];
    schema["not"] = none_of(&both)["not"].take();
    schema["if"] = json!({
        "required": ["direction"],
        "properties": { "direction": { "const": Direction::Inbound.as_str() } },
    });
    schema["then"] = none_of(&[&["endpoint_id"], &["endpoint_ids"]]);
    schema["then"]["properties"] = columns_of(Direction::Inbound);
    schema["else"] = none_of(&[&["inbound_endpoint_id"], &["inbound_endpoint_ids"]]);
    schema["else"]["properties"] = columns_of(Direction::Outbound);
    // Not allOf, which generators take for a type that extends another.
    let only_with = |format: FileFormat| json!({ "format": { "const": format.as_str() } });
    schema["dependentSchemas"] = json!({
        "csv": { "properties": only_with(FileFormat::Csv) },
        "compression": {
            "if": { "properties": { "compression": { "const": Compression::Snappy.as_str() } } },
            "then": { "required": ["format"], "properties": only_with(FileFormat::Parquet) },
        },
    });
}

fn columns_of(direction: Direction) -> Value {
    let columns = Column::all_of(direction).iter().map(|it| it.as_str());
    json!({ "columns": { "items": { "enum": columns.collect::<Vec<_>>() } } })
}
