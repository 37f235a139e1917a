//! Why an attempt ended early, and what is to become of its export: decided where it happens.

use std::error::Error as StdError;

use exports_domain::error_line;
use exports_domain::{Failure, FailureCode};
use exports_objects::StoreError;
use exports_source::Error as SourceError;

/// Why there is no file.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The right to write one is gone.
    LeaseLost,
    /// Something failed.
    Failed(JobError),
}

impl From<JobError> for WriteError {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

/// An attempt that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobError {
    pub(crate) fate: Fate,
    /// What the consumer reads if this was the last attempt.
    pub(crate) failure: Failure,
    /// What happened, for operators.
    pub(crate) reason: String,
}

/// What is to become of an export whose attempt ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It may go better later.
    Retry,
    /// It never will.
    Fail,
}

impl JobError {
    /// The rows cannot be read: the source is unavailable, or a value in it cannot be expressed.
    pub(crate) fn rows(error: &SourceError) -> Self {
        if error.is_data() {
            return Self::invalid_data(
                "A message holds a value that the file cannot express.",
                error_line(error),
            );
        }
        Self::source(error)
    }

    /// The source is not available, or refuses what has to be asked of it: never the consumer's data.
    pub(crate) fn source(error: &SourceError) -> Self {
        Self {
            // Whatever an operator can mend (a missing view, a missing grant) is worth a retry.
            fate: Fate::Retry,
            failure: Failure {
                code: FailureCode::SourceUnavailable,
                message: "The messages could not be read. Please create the export again later; \
                          if that fails too, contact support with this export's id."
                    .to_owned(),
            },
            reason: reading(error),
        }
    }

    /// A value cannot be written.
    pub(crate) fn invalid_data(what: &str, reason: String) -> Self {
        Self {
            fate: Fate::Fail,
            failure: Failure {
                code: FailureCode::InvalidData,
                message: format!(
                    "{what} Please choose a time range or filter without it, or have the message corrected."
                ),
            },
            reason,
        }
    }

    /// The file cannot be stored.
    pub(crate) fn store(error: &StoreError) -> Self {
        Self {
            fate: if error.is_transient() {
                Fate::Retry
            } else {
                Fate::Fail
            },
            failure: Failure {
                code: FailureCode::StorageUnavailable,
                message: "The file could not be stored. Please create the export again later; \
                          if that fails too, contact support with this export's id."
                    .to_owned(),
            },
            reason: error_line(error),
        }
    }

    /// The file would have more parts than stores take.
    pub(crate) fn too_large(limit_bytes: u64) -> Self {
        Self {
            fate: Fate::Fail,
            failure: Failure {
                code: FailureCode::FileTooLarge,
                message: format!(
                    "The file would be larger than {} GiB. Please choose a shorter time range, \
                     or a filter, and create several exports.",
                    limit_bytes >> 30
                ),
            },
            reason: format!("the file would be larger than {limit_bytes} bytes"),
        }
    }

    /// The attempt took longer than it may.
    pub(crate) fn timed_out(limit: std::time::Duration) -> Self {
        Self {
            fate: Fate::Fail,
            failure: Failure {
                code: FailureCode::TimedOut,
                message: "The export took longer than it may. Please choose a shorter time range, \
                          or a filter, and create several exports."
                    .to_owned(),
            },
            reason: format!("the attempt took longer than {limit:?}"),
        }
    }

    /// A defect of ours.
    pub(crate) fn internal(error: &dyn StdError) -> Self {
        Self {
            fate: Fate::Retry,
            failure: Failure {
                code: FailureCode::InternalError,
                message:
                    "The export failed by a fault of the service. Please contact support with \
                          this export's id."
                        .to_owned(),
            },
            reason: error_line(error),
        }
    }
}

/// A replica that cancels a query to go on with its recovery gives it the name of a conflict
/// between transactions, which would mislead whoever reads the log.
fn reading(error: &SourceError) -> String {
    let reason = error_line(error);
    match error.sql_state().as_deref() {
        Some("40001") => format!("a replica's recovery conflict ended the reading: {reason}"),
        _ => reason,
    }
}
