//! An export and its states. Each state has its own data.
//!
//! [`ExportStatus::can_become`] defines the transitions. The database enforces them with guarded updates
//! and CHECK constraints. A test compares both for every pair of states.

use chrono::{DateTime, Utc};

use crate::failure::Failure;
use crate::file::{FileOptions, SplitFile};
use crate::filter::MessageFilter;
use crate::ids::{ExportId, ProjectId};
use crate::label::Label;
use crate::progress::Progress;
use crate::status::ExportStatus;

/// A request for a file of messages, and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// The project that owns it.
    pub project: ProjectId,
    /// Which messages it contains.
    pub filter: MessageFilter,
    /// What its file is like.
    pub options: FileOptions,
    /// What its consumer calls it.
    pub label: Option<Label>,
    /// The export whose request it repeats. That export may be deleted.
    pub retry_of: Option<ExportId>,
    /// Number of attempts so far. Attempts that were released at shutdown do not count.
    pub attempt: u32,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Its state.
    pub state: ExportState,
    /// How far it has come, if it is pending or processing and the read has looked.
    pub progress: Option<Progress>,
}

/// A finished file, or the files of an export that is split. The values are kept after they expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Start of the attempt that wrote it.
    pub started_at: DateTime<Utc>,
    /// Time of completion.
    pub completed_at: DateTime<Utc>,
    /// End of the time in which it can be downloaded.
    pub expires_at: DateTime<Utc>,
    /// Data rows, without the header; of all files.
    pub row_count: u64,
    /// Size in bytes, of all files.
    pub size_bytes: u64,
    /// SHA-256 of the bytes. Without a meaning if the export is split.
    pub sha256: [u8; 32],
    /// The files, if the export is split.
    pub files: Option<Box<[SplitFile]>>,
    /// When its snapshot was taken; `None` for files of earlier releases.
    pub snapshot_at: Option<DateTime<Utc>>,
}

/// The state of an export and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportState {
    /// Queued.
    Pending,
    /// Held by a worker.
    Processing {
        /// Start of the latest attempt.
        started_at: DateTime<Utc>,
    },
    /// The file can be downloaded.
    Completed(ExportFile),
    /// Permanently failed: there is no file.
    Failed {
        /// Start of the latest attempt, if there was one.
        started_at: Option<DateTime<Utc>>,
        /// The reason.
        failure: Failure,
    },
    /// The file was deleted after `expires_at`.
    Expired(ExportFile),
}

impl ExportState {
    /// The state's name.
    #[must_use]
    pub const fn status(&self) -> ExportStatus {
        match self {
            Self::Pending => ExportStatus::Pending,
            Self::Processing { .. } => ExportStatus::Processing,
            Self::Completed(_) => ExportStatus::Completed,
            Self::Failed { .. } => ExportStatus::Failed,
            Self::Expired(_) => ExportStatus::Expired,
        }
    }
}
