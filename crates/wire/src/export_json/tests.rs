use exports_domain::{
    AttemptProgress, Choice, Column, CsvOptions, Delimiter, Failure, FailureCode, FileOptions,
    GivenOptions, MessageFilter, Progress, SplitFile, TimeRange, ValueSet,
};
use serde_json::{Value, json};

use super::*;

fn export(direction: Direction, state: ExportState) -> Export {
    let at = |text: &str| text.parse().unwrap();
    Export {
        id: "01935abc-def0-7123-4567-890abcdef012".parse().unwrap(),
        project: "proj_abc123".parse().unwrap(),
        filter: MessageFilter {
            range: TimeRange::new(at("2025-12-01T00:00:00Z"), at("2025-12-06T23:59:59Z")).unwrap(),
            direction,
            status: Choice::One(MessageStatus::FailedPermanent),
            endpoint: Choice::One(
                EndpointId::parse_inbound("550e8400-e29b-41d4-a716-446655440000").unwrap(),
            ),
        },
        options: FileOptions::default(),
        label: None,
        retry_of: None,
        attempt: 1,
        created_at: at("2025-12-06T12:00:00Z"),
        state,
        progress: None,
    }
}

fn json_of(direction: Direction, state: ExportState) -> Value {
    serde_json::to_value(ExportJson::from(&export(direction, state))).unwrap()
}

fn file() -> ExportFile {
    ExportFile {
        started_at: "2025-12-06T12:00:30Z".parse().unwrap(),
        completed_at: "2025-12-06T12:05:00Z".parse().unwrap(),
        expires_at: "2025-12-13T12:05:00Z".parse().unwrap(),
        row_count: 5000,
        size_bytes: 1_024_000,
        sha256: [0xab; 32],
        files: None,
        snapshot_at: Some("2025-12-06T12:00:30.123456Z".parse().unwrap()),
    }
}

#[test]
fn a_completed_export_has_exactly_the_documented_fields() {
    assert_eq!(
        json_of(Direction::Outbound, ExportState::Completed(file())),
        json!({
            "id": "01935abc-def0-7123-4567-890abcdef012",
            "project_id": "proj_abc123",
            "status": "completed",
            "direction": "outbound",
            "filter_start_time": "2025-12-01T00:00:00Z",
            "filter_end_time": "2025-12-06T23:59:59Z",
            "filter_status": "failed_permanent",
            "filter_endpoint_id": "550e8400-e29b-41d4-a716-446655440000",
            "row_count": 5000,
            "file_size_bytes": 1_024_000,
            "sha256": "ab".repeat(32),
            "attempt": 1,
            "snapshot_at": "2025-12-06T12:00:30.123456Z",
            "started_at": "2025-12-06T12:00:30Z",
            "completed_at": "2025-12-06T12:05:00Z",
            "expires_at": "2025-12-13T12:05:00Z",
            "created_at": "2025-12-06T12:00:00Z",
        })
    );
}

#[test]
fn a_list_has_its_own_field_even_with_one_value() {
    let mut export = export(Direction::Inbound, ExportState::Pending);
    let id = Uuid::from_u128(1);
    export.filter.endpoint = Choice::OneOf(ValueSet::new(vec![EndpointId(id)]).unwrap());
    export.label = Some("For the auditors".parse().unwrap());
    export.retry_of = Some(exports_domain::ExportId(id));
    let statuses = vec![MessageStatus::PendingRetry, MessageStatus::Queued];
    export.filter.status = Choice::OneOf(ValueSet::new(statuses).unwrap());
    let shown = serde_json::to_value(ExportJson::from(&export)).unwrap();
    assert_eq!(shown["filter_statuses"], json!(["queued", "pending_retry"]));
    assert_eq!(shown["filter_inbound_endpoint_ids"], json!([id]));
    assert_eq!(shown["label"], "For the auditors");
    assert_eq!(shown["retry_of"], json!(id));
    for absent in [
        "filter_status",
        "filter_endpoint_id",
        "filter_endpoint_ids",
        "filter_inbound_endpoint_id",
    ] {
        assert!(shown.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn fields_without_a_value_are_omitted() {
    let pending = json_of(Direction::Inbound, ExportState::Pending);
    assert_eq!(
        pending["filter_inbound_endpoint_id"],
        "550e8400-e29b-41d4-a716-446655440000"
    );
    for absent in [
        "label",
        "retry_of",
        "filter_endpoint_id",
        "started_at",
        "completed_at",
        "row_count",
        "error_code",
    ] {
        assert!(pending.get(absent).is_none(), "{absent}");
    }
    for absent in ["format", "compression", "columns", "timezone", "csv"] {
        assert!(pending.get(absent).is_none(), "{absent}");
    }
    let failed = json_of(
        Direction::Outbound,
        ExportState::Failed {
            started_at: None,
            failure: Failure {
                code: FailureCode::TimedOut,
                message: "why".to_owned(),
            },
        },
    );
    assert_eq!(failed["error_code"], "TIMED_OUT");
    assert_eq!(failed["error_message"], "why");
    assert!(failed.get("started_at").is_none());
}

#[test]
fn the_options_that_were_given_are_shown() {
    let mut export = export(Direction::Outbound, ExportState::Pending);
    let columns = vec![Column::Status, Column::MessageId];
    export.options = FileOptions::new(GivenOptions {
        format: Some(FileFormat::Csv),
        compression: Some(Compression::Zstd),
        columns: Some(Columns::new(columns, Direction::Outbound).unwrap()),
        timezone: Some("Europe/Berlin".parse().unwrap()),
        csv: Some(CsvOptions {
            delimiter: Delimiter::Semicolon,
            ..CsvOptions::default()
        }),
        max_rows_per_file: Some(1_048_575.try_into().unwrap()),
    })
    .unwrap();
    let shown = serde_json::to_value(ExportJson::from(&export)).unwrap();
    assert_eq!(
        (&shown["format"], &shown["compression"]),
        (&json!("csv"), &json!("zstd"))
    );
    assert_eq!(shown["columns"], json!(["status", "message_id"]));
    assert_eq!(shown["timezone"], "Europe/Berlin");
    assert_eq!(shown["max_rows_per_file"], 1_048_575);
    assert_eq!(
        shown["csv"],
        json!({
            "delimiter": ";",
            "line_ending": "crlf",
            "header": true,
            "bom": false,
            "formula_guard": true,
        })
    );
}

#[test]
fn progress_has_the_fields_of_its_state() {
    let mut export = export(Direction::Outbound, ExportState::Pending);
    export.progress = Some(Progress::Queued { position: 3 });
    let shown = serde_json::to_value(ExportJson::from(&export)).unwrap();
    assert_eq!(shown["progress"], json!({ "queue_position": 3 }));
    let started_at = "2025-12-06T12:00:30Z".parse().unwrap();
    export.state = ExportState::Processing { started_at };
    export.progress = Some(Progress::Running(AttemptProgress {
        rows_written: 7,
        percent: Some(0),
        ..AttemptProgress::started(started_at)
    }));
    let shown = serde_json::to_value(ExportJson::from(&export)).unwrap();
    assert_eq!(
        shown["progress"],
        json!({
            "rows_written": 7,
            "bytes_written": 0,
            "percent": 0,
            "updated_at": "2025-12-06T12:00:30Z",
        })
    );
}

#[test]
fn an_export_that_is_split_shows_its_files() {
    let split = |row_count| SplitFile {
        row_count,
        size_bytes: row_count * 200,
        sha256: [0xcd; 32],
    };
    let state = |files| ExportState::Completed(ExportFile { files, ..file() });
    let mut export = export(
        Direction::Outbound,
        state(Some([split(1000), split(7)].into())),
    );
    export.options = FileOptions::new(GivenOptions {
        compression: Some(Compression::Gzip),
        max_rows_per_file: Some(1000.try_into().unwrap()),
        ..GivenOptions::default()
    })
    .unwrap();
    let shown = serde_json::to_value(ExportJson::from(&export)).unwrap();
    let expected = |number: u32, row_count: u64| {
        json!({
            "number": number,
            "name": format!("export-01935abc-def0-7123-4567-890abcdef012-{number:04}.csv.gz"),
            "row_count": row_count,
            "file_size_bytes": row_count * 200,
            "sha256": "cd".repeat(32),
        })
    };
    assert_eq!(shown["files"], json!([expected(1, 1000), expected(2, 7)]));
    assert!(shown.get("sha256").is_none());
    // As lists read it.
    export.state = state(None);
    let listed = serde_json::to_value(ExportJson::from(&export)).unwrap();
    assert!(listed.get("files").is_none() && listed.get("sha256").is_none());
}
