//! The fields of an export that the commands use.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Export {
    pub(crate) id: Uuid,
    pub(crate) status: String,
    pub(crate) row_count: Option<u64>,
    pub(crate) file_size_bytes: Option<u64>,
    pub(crate) sha256: Option<String>,
    pub(crate) files: Option<Vec<FileOfExport>>,
    pub(crate) format: Option<String>,
    pub(crate) compression: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) progress: Option<Progress>,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) error_code: Option<String>,
    pub(crate) error_message: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FileOfExport {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) file_size_bytes: u64,
    pub(crate) sha256: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Progress {
    pub(crate) queue_position: Option<u64>,
    pub(crate) rows_written: Option<u64>,
    pub(crate) bytes_written: Option<u64>,
    pub(crate) percent: Option<u64>,
    pub(crate) estimated_seconds_remaining: Option<u64>,
}

impl Export {
    /// Whether its state does not change any more, except by its expiry.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.status.as_str(), "pending" | "processing")
    }

    /// Its files, if it is completed.
    pub(crate) fn files(&self) -> Vec<FileOfExport> {
        match (&self.files, &self.sha256, self.file_size_bytes) {
            (Some(files), ..) => files.clone(),
            (None, Some(sha256), Some(file_size_bytes)) => vec![FileOfExport {
                number: 1,
                name: format!("export-{}{}", self.id, self.extension()),
                file_size_bytes,
                sha256: sha256.clone(),
            }],
            (None, ..) => Vec::new(),
        }
    }

    fn extension(&self) -> String {
        let format = self.format.as_deref().unwrap_or("csv");
        let packed = match (format, self.compression.as_deref()) {
            ("parquet", _) => "",
            (_, Some("gzip")) => ".gz",
            (_, Some("zstd")) => ".zst",
            _ => "",
        };
        format!(".{format}{packed}")
    }

    /// Why it has no file.
    pub(crate) fn reason(&self) -> String {
        match (&self.error_code, &self.error_message) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (_, Some(message)) => message.clone(),
            _ if self.status == "expired" => "its file was deleted after its expiry".to_owned(),
            _ => "it has not ended".to_owned(),
        }
    }
}
