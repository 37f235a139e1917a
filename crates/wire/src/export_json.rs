//! The JSON of an export.

use exports_domain::time::to_wire;
use exports_domain::{
    Columns, Compression, Direction, EndpointId, Export, ExportFile, ExportState, FileFormat,
    FileTimeZone, MessageStatus, RowsPerFile,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::export_files::FileJson;
use crate::file_options::CsvOptionsJson;
use crate::progress_json::ProgressJson;
use crate::schema_enums::{
    ColumnSchema, CompressionSchema, DirectionSchema, ExportStatusSchema, FileFormatSchema,
    MessageStatusSchema,
};

/// An export. Unset fields are omitted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportJson {
    /// Export job identifier (UUIDv7)
    #[schema(example = "01935abc-def0-7123-4567-890abcdef012")]
    id: Uuid,
    /// Project that owns this export
    #[schema(example = "proj_abc123")]
    project_id: String,
    #[schema(value_type = ExportStatusSchema)]
    status: &'static str,
    #[schema(value_type = DirectionSchema)]
    direction: &'static str,
    /// Start of the export time range
    #[schema(format = DateTime, example = "2025-12-01T00:00:00Z")]
    filter_start_time: String,
    /// End of the export time range
    #[schema(format = DateTime, example = "2025-12-06T23:59:59Z")]
    filter_end_time: String,
    /// Message status filter (if specified)
    #[schema(value_type = Option<MessageStatusSchema>, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_status: Option<&'static str>,
    /// Message statuses filter (if `statuses` was specified)
    #[schema(value_type = Option<Vec<MessageStatusSchema>>, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_statuses: Option<Vec<&'static str>>,
    /// Outbound endpoint ID filter (if specified, stored as UUID)
    #[schema(nullable = false, example = "550e8400-e29b-41d4-a716-446655440000")]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_endpoint_id: Option<Uuid>,
    /// Outbound endpoint IDs filter (if `endpoint_ids` was specified), as UUIDs in ascending order
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_endpoint_ids: Option<Vec<Uuid>>,
    /// Inbound endpoint ID filter (if specified, when direction=inbound)
    #[schema(nullable = false, example = "01935abc-def0-7123-4567-890abcdef012")]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_inbound_endpoint_id: Option<Uuid>,
    /// Inbound endpoint IDs filter (if `inbound_endpoint_ids` was specified), in ascending order
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_inbound_endpoint_ids: Option<Vec<Uuid>>,
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
    /// What the consumer calls the export (if specified)
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 200,
        example = "December, for the auditors"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// The format of the file (if specified)
    #[schema(value_type = Option<FileFormatSchema>, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    /// The compression of the file (if specified)
    #[schema(value_type = Option<CompressionSchema>, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<&'static str>,
    /// The columns of the file, in their order (if specified)
    #[schema(value_type = Option<Vec<ColumnSchema>>, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<&'static str>>,
    /// The time zone of the times in the file, an IANA name (if specified)
    #[schema(nullable = false, example = "Europe/Berlin")]
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<&'static str>,
    /// The dialect of the CSV, with its defaults filled in (if specified)
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    csv: Option<CsvOptionsJson>,
    /// How many rows each file has at most (if specified): the export is split
    #[schema(
        nullable = false,
        minimum = 1000,
        maximum = 1_000_000_000,
        example = 1_048_575
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rows_per_file: Option<u64>,
    /// The files of an export with `max_rows_per_file`, in order (populated after completion). `row_count` and
    /// `file_size_bytes` are their sums, and there is no `sha256`. Lists leave `files` out
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileJson>>,
    /// The export whose request this one repeats (if it was created by a retry)
    #[schema(nullable = false, example = "01935abc-def0-7123-4567-890abcdef011")]
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of: Option<Uuid>,
    /// The number of attempts so far
    #[schema(example = 1)]
    attempt: u32,
    /// When the snapshot of the file was taken: rows that were committed later are not in the file (populated after
    /// completion)
    #[schema(nullable = false, format = DateTime, example = "2025-12-06T12:00:30.5Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_at: Option<String>,
    /// How far the export has come, while it is pending or processing
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<ProgressJson>,
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
            ExportState::Completed(file) | ExportState::Expired(file) => {
                queued.with_file(export, file)
            }
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
        let given = export.options.given();
        let endpoints = (filter.endpoint.one(), filter.endpoint.list());
        let ((outbound, outbounds), (inbound, inbounds)) = match filter.direction {
            Direction::Outbound => (endpoints, (None, None)),
            Direction::Inbound => ((None, None), endpoints),
        };
        let uuids = |list: &[EndpointId]| list.iter().map(|endpoint| endpoint.0).collect();
        let names = |list: &[MessageStatus]| list.iter().map(|status| status.as_str()).collect();
        let column_names =
            |columns: &Columns| columns.as_slice().iter().map(|it| it.as_str()).collect();
        Self {
            id: export.id.0,
            project_id: export.project.as_str().to_owned(),
            status: export.state.status().as_str(),
            direction: filter.direction.as_str(),
            filter_start_time: to_wire(filter.range.start()),
            filter_end_time: to_wire(filter.range.end()),
            filter_status: filter.status.one().map(|status| status.as_str()),
            filter_statuses: filter.status.list().map(names),
            filter_endpoint_id: outbound.map(|endpoint| endpoint.0),
            filter_endpoint_ids: outbounds.map(uuids),
            filter_inbound_endpoint_id: inbound.map(|endpoint| endpoint.0),
            filter_inbound_endpoint_ids: inbounds.map(uuids),
            row_count: None,
            file_size_bytes: None,
            sha256: None,
            error_message: None,
            error_code: None,
            label: export.label.as_ref().map(ToString::to_string),
            format: given.format.map(FileFormat::as_str),
            compression: given.compression.map(Compression::as_str),
            columns: given.columns.as_ref().map(column_names),
            timezone: given.timezone.map(FileTimeZone::name),
            csv: given.csv.map(CsvOptionsJson::from),
            max_rows_per_file: given.max_rows_per_file.map(RowsPerFile::get),
            files: None,
            retry_of: export.retry_of.map(|export| export.0),
            attempt: export.attempt,
            snapshot_at: None,
            progress: export.progress.as_ref().map(ProgressJson::from),
            started_at: None,
            completed_at: None,
            expires_at: None,
            created_at: to_wire(export.created_at),
        }
    }

    fn with_file(self, export: &Export, file: &ExportFile) -> Self {
        let is_whole = export.options.max_rows_per_file().is_none();
        let files = file.files.as_deref();
        let files = files.map(|files| FileJson::of_split(export, files));
        Self {
            row_count: Some(file.row_count),
            file_size_bytes: Some(file.size_bytes),
            sha256: is_whole.then(|| hex::encode(file.sha256)),
            files,
            snapshot_at: file.snapshot_at.map(to_wire),
            started_at: Some(to_wire(file.started_at)),
            completed_at: Some(to_wire(file.completed_at)),
            expires_at: Some(to_wire(file.expires_at)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
