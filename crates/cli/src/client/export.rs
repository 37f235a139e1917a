//! The fields of an export that the commands use.

use chrono::{DateTime, Utc};
use exports_domain::{ExportId, FileOptions, GivenOptions};
use serde::Deserialize;
use uuid::Uuid;

use crate::error::{Error, Result};

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
    pub(crate) fn files(&self) -> Result<Vec<FileOfExport>> {
        Ok(match (&self.files, &self.sha256, self.file_size_bytes) {
            (Some(files), ..) => files.clone(),
            (None, Some(sha256), Some(file_size_bytes)) => vec![FileOfExport {
                number: 1,
                name: self.file_name()?,
                file_size_bytes,
                sha256: sha256.clone(),
            }],
            (None, ..) => Vec::new(),
        })
    }

    /// As the API names it.
    fn file_name(&self) -> Result<String> {
        let unknown = |what: &str| {
            Error::new(format!(
                "{what} of this export is not known to this exportctl: use a newer one"
            ))
        };
        let format = self.format.as_deref().map(str::parse).transpose();
        let compression = self.compression.as_deref().map(str::parse).transpose();
        let options = FileOptions::new(GivenOptions {
            format: format.map_err(|_| unknown("the format"))?,
            compression: compression.map_err(|_| unknown("the compression"))?,
            ..GivenOptions::default()
        });
        let options = options.map_err(|_| unknown("the combination of format and compression"))?;
        Ok(options.file_name(ExportId(self.id)))
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
