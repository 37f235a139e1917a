//! An export and its states: each state holds the data that belongs to it.
//!
//! Which state may follow which is in [`ExportStatus::can_become`]. The transitions themselves are
//! guarded updates and CHECK constraints in the database; a table-driven test compares both for every
//! pair of states.

use chrono::{DateTime, Utc};

use crate::failure::Failure;
use crate::filter::MessageFilter;
use crate::ids::{ExportId, ProjectId};
use crate::status::ExportStatus;

/// One request for a file of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// Who owns it.
    pub project: ProjectId,
    /// Which messages it takes.
    pub filter: MessageFilter,
    /// How often it was claimed, attempts given back at shutdown not counted.
    pub attempt: u32,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// How far it is.
    pub state: ExportState,
}

/// The facts of a finished file; they outlive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// When the attempt that wrote it began.
    pub started_at: DateTime<Utc>,
    /// When it was complete.
    pub completed_at: DateTime<Utc>,
    /// Until when it can be downloaded.
    pub expires_at: DateTime<Utc>,
    /// Data rows, the header not counted.
    pub row_count: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

/// The state of an export with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportState {
    /// Queued.
    Pending,
    /// Held by a worker.
    Processing {
        /// When the latest attempt began.
        started_at: DateTime<Utc>,
    },
    /// The file can be downloaded.
    Completed(ExportFile),
    /// There will be no file.
    Failed {
        /// When the latest attempt began, if any did.
        started_at: Option<DateTime<Utc>>,
        /// Why.
        failure: Failure,
    },
    /// The file is gone.
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
