//! The JSON of an export's progress.

use exports_domain::time::to_wire;
use exports_domain::{AttemptProgress, Progress};
use serde::Serialize;
use utoipa::ToSchema;

/// How far an export has come. While it is pending, it has `queue_position`; while it is processing, the other fields
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ExportProgress)]
pub(crate) struct ProgressJson {
    /// Pending: the position in the queue, estimated and counted up to 1000. 1 is the next export; 1000 means 1000 or more
    #[schema(nullable = false, minimum = 1, maximum = 1000, example = 3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<u16>,
    /// Processing: rows written so far
    #[schema(nullable = false, example = 120_000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_written: Option<u64>,
    /// Processing: bytes written so far
    #[schema(nullable = false, example = 24_117_248)]
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_written: Option<u64>,
    /// Processing: the part that is done, if it can be estimated. It never decreases within an attempt
    #[schema(nullable = false, maximum = 99, example = 37)]
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    /// Processing: the estimated time until the export is completed, if it can be estimated
    #[schema(nullable = false, example = 4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_seconds_remaining: Option<u32>,
    /// Processing: when the worker reported these figures
    #[schema(nullable = false, format = DateTime, example = "2025-12-06T12:00:34Z")]
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

impl From<&Progress> for ProgressJson {
    fn from(progress: &Progress) -> Self {
        match progress {
            Progress::Queued { position } => Self {
                queue_position: Some(*position),
                ..Self::default()
            },
            Progress::Running(AttemptProgress {
                rows_written,
                bytes_written,
                percent,
                seconds_remaining,
                updated_at,
            }) => Self {
                queue_position: None,
                rows_written: Some(*rows_written),
                bytes_written: Some(*bytes_written),
                percent: *percent,
                estimated_seconds_remaining: *seconds_remaining,
                updated_at: Some(to_wire(*updated_at)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn json_of(progress: &Progress) -> Value {
        serde_json::to_value(ProgressJson::from(progress)).unwrap()
    }

    #[test]
    fn progress_has_the_fields_of_its_state() {
        let queued = Progress::Queued { position: 3 };
        assert_eq!(json_of(&queued), json!({ "queue_position": 3 }));
        let started_at = "2025-12-06T12:00:30Z".parse().unwrap();
        let running = Progress::Running(AttemptProgress {
            rows_written: 7,
            percent: Some(0),
            ..AttemptProgress::started(started_at)
        });
        assert_eq!(
            json_of(&running),
            json!({
                "rows_written": 7,
                "bytes_written": 0,
                "percent": 0,
                "updated_at": "2025-12-06T12:00:30Z",
            })
        );
    }
}
