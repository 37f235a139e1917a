//! The JSON of an export.

use exports_domain::time::to_wire;
use exports_domain::{Direction, Export, ExportFile, ExportState, ExportStatus, MessageStatus};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use uuid::Uuid;

/// An export. Unset fields are omitted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Export)]
pub(crate) struct ExportJson {
    /// Export job identifier (UUIDv7)
    #[schema(example = "01935abc-def0-7123-4567-890abcdef012")]
    id: Uuid,
    /// Project that owns this export
    #[schema(example = "proj_abc123")]
    project_id: String,
    #[schema(schema_with = status_schema)]
    status: &'static str,
    #[schema(schema_with = direction_schema)]
    direction: &'static str,
    /// Start of the export time range
    #[schema(format = DateTime, example = "2025-12-01T00:00:00Z")]
    filter_start_time: String,
    /// End of the export time range
    #[schema(format = DateTime, example = "2025-12-06T23:59:59Z")]
    filter_end_time: String,
    #[schema(schema_with = message_status_schema, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_status: Option<&'static str>,
    /// Outbound endpoint ID filter (if specified, stored as UUID)
    #[schema(nullable = false, example = "550e8400-e29b-41d4-a716-446655440000")]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_endpoint_id: Option<Uuid>,
    /// Inbound endpoint ID filter (if specified, when direction=inbound)
    #[schema(nullable = false, example = "01935abc-def0-7123-4567-890abcdef012")]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_inbound_endpoint_id: Option<Uuid>,
    /// Number of rows in the export (populated after completion)
    #[schema(nullable = false, example = 5000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    row_count: Option<u64>,
    /// File size in bytes (populated after completion)
    #[schema(nullable = false, example = 1_024_000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size_bytes: Option<u64>,
    /// SHA-256 of the file, in hex (populated after completion)
    #[schema(nullable = false, pattern = "^[0-9a-f]{64}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Error description (if failed)
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    /// Machine-readable reason (if failed)
    #[schema(nullable = false, example = "SOURCE_UNAVAILABLE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    /// The number of attempts so far
    #[schema(example = 1)]
    attempt: u32,
    /// When the latest attempt started
    #[schema(nullable = false, format = DateTime, example = "2025-12-06T12:00:30Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    /// When processing completed
    #[schema(nullable = false, format = DateTime, example = "2025-12-06T12:05:00Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    /// When the download link expires
    #[schema(nullable = false, format = DateTime, example = "2025-12-13T12:05:00Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// When the export was requested
    #[schema(format = DateTime, example = "2025-12-06T12:00:00Z")]
    created_at: String,
}

impl From<&Export> for ExportJson {
    fn from(export: &Export) -> Self {
        let queued = Self::without_state(export);
        match &export.state {
            ExportState::Pending => queued,
            ExportState::Processing { started_at } => Self {
                started_at: Some(to_wire(*started_at)),
                ..queued
            },
            ExportState::Completed(file) | ExportState::Expired(file) => queued.with_file(file),
            ExportState::Failed {
                started_at,
                failure,
            } => Self {
                started_at: started_at.map(to_wire),
                error_code: Some(failure.code.as_str()),
                error_message: Some(failure.message.clone()),
                ..queued
            },
        }
    }
}

impl ExportJson {
    fn without_state(export: &Export) -> Self {
        let filter = &export.filter;
        let endpoint = |direction| {
            let endpoint = filter.endpoint.filter(|_| filter.direction == direction);
            endpoint.map(|endpoint| endpoint.0)
        };
        Self {
            id: export.id.0,
            project_id: export.project.as_str().to_owned(),
            status: export.state.status().as_str(),
            direction: filter.direction.as_str(),
            filter_start_time: to_wire(filter.range.start()),
            filter_end_time: to_wire(filter.range.end()),
            filter_status: filter.status.map(MessageStatus::as_str),
            filter_endpoint_id: endpoint(Direction::Outbound),
            filter_inbound_endpoint_id: endpoint(Direction::Inbound),
            row_count: None,
            file_size_bytes: None,
            sha256: None,
            error_message: None,
            error_code: None,
            attempt: export.attempt,
            started_at: None,
            completed_at: None,
            expires_at: None,
            created_at: to_wire(export.created_at),
        }
    }

    fn with_file(self, file: &ExportFile) -> Self {
        Self {
            row_count: Some(file.row_count),
            file_size_bytes: Some(file.size_bytes),
            sha256: Some(hex::encode(file.sha256)),
            started_at: Some(to_wire(file.started_at)),
            completed_at: Some(to_wire(file.completed_at)),
            expires_at: Some(to_wire(file.expires_at)),
            ..self
        }
    }
}

pub(crate) fn status_schema() -> Object {
    names(
        ExportStatus::NAMES,
        "Export job status: pending: queued for processing; processing: currently generating the \
         CSV; completed: ready for download; failed: generation failed; expired: download link \
         has expired",
    )
}

pub(crate) fn direction_schema() -> Object {
    names(
        Direction::NAMES,
        "The direction of the messages: outbound (from the project) or inbound (to the project)",
    )
}

pub(crate) fn message_status_schema() -> Object {
    names(MessageStatus::NAMES, "Message status filter (if specified)")
}

fn names(names: &[&str], description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(names.iter().copied()))
        .build()
}

#[cfg(test)]
mod tests {
    use exports_domain::{EndpointId, Failure, FailureCode, MessageFilter, TimeRange};
    use serde_json::{Value, json};

    use super::*;

    fn export(direction: Direction, state: ExportState) -> Export {
        let at = |text: &str| text.parse().unwrap();
        Export {
            id: "01935abc-def0-7123-4567-890abcdef012".parse().unwrap(),
            project: "proj_abc123".parse().unwrap(),
            filter: MessageFilter {
                range: TimeRange::new(at("2025-12-01T00:00:00Z"), at("2025-12-06T23:59:59Z"))
                    .unwrap(),
                direction,
                status: Some(MessageStatus::FailedPermanent),
                endpoint: Some(
                    EndpointId::parse_inbound("550e8400-e29b-41d4-a716-446655440000").unwrap(),
                ),
            },
            attempt: 1,
            created_at: at("2025-12-06T12:00:00Z"),
            state,
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
                "started_at": "2025-12-06T12:00:30Z",
                "completed_at": "2025-12-06T12:05:00Z",
                "expires_at": "2025-12-13T12:05:00Z",
                "created_at": "2025-12-06T12:00:00Z",
            })
        );
    }

    #[test]
    fn fields_without_a_value_are_omitted() {
        let pending = json_of(Direction::Inbound, ExportState::Pending);
        assert_eq!(
            pending["filter_inbound_endpoint_id"],
            "550e8400-e29b-41d4-a716-446655440000"
        );
        for absent in [
            "filter_endpoint_id",
            "started_at",
            "completed_at",
            "row_count",
            "error_code",
        ] {
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
}
