//! An export and its life: each state has the data that belongs to it, and a transition consumes
//! the state it leaves.
//!
//! The database repeats these rules as guards of its updates and as CHECK constraints; a
//! table-driven test in `tests/` holds the two together for every pair of states.

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

/// A step that the state machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an export cannot go from {from} to {to}")]
pub struct InvalidTransition {
    /// The state it is in.
    pub from: ExportStatus,
    /// The state it was to go to.
    pub to: ExportStatus,
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

    /// A worker takes it: queued, or from a worker whose lease ended.
    pub fn claim(self, now: DateTime<Utc>) -> Result<Self, InvalidTransition> {
        match self {
            Self::Pending | Self::Processing { .. } => Ok(Self::Processing { started_at: now }),
            Self::Completed(_) | Self::Failed { .. } | Self::Expired(_) => {
                Err(self.refuse(ExportStatus::Processing))
            }
        }
    }

    /// Its worker gives it back: to try again later, or because it shuts down. Or an operator has
    /// it tried again at once.
    pub fn requeue(self) -> Result<Self, InvalidTransition> {
        match self {
            Self::Pending | Self::Processing { .. } => Ok(Self::Pending),
            Self::Completed(_) | Self::Failed { .. } | Self::Expired(_) => {
                Err(self.refuse(ExportStatus::Pending))
            }
        }
    }

    /// Its worker finished the file.
    pub fn complete(self, file: ExportFile) -> Result<Self, InvalidTransition> {
        match self {
            Self::Processing { .. } => Ok(Self::Completed(file)),
            Self::Pending | Self::Completed(_) | Self::Failed { .. } | Self::Expired(_) => {
                Err(self.refuse(ExportStatus::Completed))
            }
        }
    }

    /// Its worker gave up, its last attempt ended without a word, or an operator ended it.
    pub fn fail(self, failure: Failure) -> Result<Self, InvalidTransition> {
        match self {
            Self::Pending => Ok(Self::Failed {
                started_at: None,
                failure,
            }),
            Self::Processing { started_at } => Ok(Self::Failed {
                started_at: Some(started_at),
                failure,
            }),
            Self::Completed(_) | Self::Failed { .. } | Self::Expired(_) => {
                Err(self.refuse(ExportStatus::Failed))
            }
        }
    }

    /// The file's time is over.
    pub fn expire(self) -> Result<Self, InvalidTransition> {
        match self {
            Self::Completed(file) => Ok(Self::Expired(file)),
            Self::Pending | Self::Processing { .. } | Self::Failed { .. } | Self::Expired(_) => {
                Err(self.refuse(ExportStatus::Expired))
            }
        }
    }

    const fn refuse(&self, to: ExportStatus) -> InvalidTransition {
        InvalidTransition {
            from: self.status(),
            to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureCode;

    fn file() -> ExportFile {
        let at = DateTime::UNIX_EPOCH;
        ExportFile {
            started_at: at,
            completed_at: at,
            expires_at: at,
            row_count: 1,
            size_bytes: 2,
            sha256: [0; 32],
        }
    }

    fn failure() -> Failure {
        Failure {
            code: FailureCode::InternalError,
            message: "why".to_owned(),
        }
    }

    fn state(status: ExportStatus) -> ExportState {
        let started_at = DateTime::UNIX_EPOCH;
        match status {
            ExportStatus::Pending => ExportState::Pending,
            ExportStatus::Processing => ExportState::Processing { started_at },
            ExportStatus::Completed => ExportState::Completed(file()),
            ExportStatus::Failed => ExportState::Failed {
                started_at: None,
                failure: failure(),
            },
            ExportStatus::Expired => ExportState::Expired(file()),
        }
    }

    #[test]
    fn the_transitions_and_the_table_of_names_agree_for_every_pair() {
        for from in ExportStatus::ALL {
            for to in ExportStatus::ALL {
                let stepped = match to {
                    ExportStatus::Pending => state(from).requeue(),
                    ExportStatus::Processing => state(from).claim(DateTime::UNIX_EPOCH),
                    ExportStatus::Completed => state(from).complete(file()),
                    ExportStatus::Failed => state(from).fail(failure()),
                    ExportStatus::Expired => state(from).expire(),
                };
                if from.can_become(to) {
                    assert_eq!(
                        stepped.map(|state| state.status()),
                        Ok(to),
                        "{from} to {to}"
                    );
                } else {
                    assert_eq!(stepped, Err(InvalidTransition { from, to }));
                }
            }
        }
    }
}
