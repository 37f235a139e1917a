//! Why an attempt ended without a file. Where an error occurs, it is decided whether a retry can help.

use std::error::Error as StdError;
use std::time::Duration;

use exports_domain::error_line;
use exports_domain::{Failure, FailureCode, InvalidValue, MAX_SPLIT_FILES};
use exports_objects::{MAX_FILE_SIZE, StoreError};
use exports_service::rights::is_forbidden;
use exports_service::settings::ByteSize;
use exports_source::Error as SourceError;

const NOT_STORED: &str = "The file could not be stored. Please create the export again later. If that fails too, \
     contact support with the id of this export.";

/// Why an attempt ended without a file.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The lease was lost: another worker has the export, or will have it.
    LeaseLost,
    /// The worker shuts down and its grace period is over.
    Shutdown,
    /// The export has borrowed the reserved slot and is not quick.
    SlotReserved,
    /// Something failed.
    Failed(JobError),
}

impl From<JobError> for AttemptError {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

/// An error of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobError {
    /// A later attempt may succeed. Otherwise the error is permanent and the export fails at once.
    pub(crate) is_retryable: bool,
    /// For the consumer, if the export fails.
    pub(crate) failure: Failure,
    /// For operators.
    pub(crate) reason: String,
    /// The source has refused a statement because of missing rights.
    pub(crate) lacks_rights: bool,
}

impl JobError {
    fn retryable(code: FailureCode, message: &str, reason: String) -> Self {
        let message = message.to_owned();
        Self {
            is_retryable: true,
            failure: Failure { code, message },
            reason,
            lacks_rights: false,
        }
    }

    fn permanent(code: FailureCode, message: String, reason: String) -> Self {
        Self {
            is_retryable: false,
            failure: Failure { code, message },
            reason,
            lacks_rights: false,
        }
    }

    /// The rows could not be read: the source is unavailable, or the file cannot express a value.
    pub(crate) fn rows(error: &SourceError) -> Self {
        if let SourceError::InvalidValue(value) = error {
            return Self::invalid_value(value);
        }
        if error.is_data() {
            return Self::invalid_data(
                "A message contains a value that the file cannot express.",
                error_line(error),
            );
        }
        Self::source(error)
    }

    /// The source is unavailable, silent, or refuses a statement. Always retryable: an operator can correct
    /// a missing view or grant.
    pub(crate) fn source(error: &SourceError) -> Self {
        if let SourceError::Stalled { .. } = error {
            return Self::stalled(error_line(error));
        }
        let failed = Self::retryable(
            FailureCode::SourceUnavailable,
            "The messages could not be read. Please create the export again later. If that fails too, \
             contact support with the id of this export.",
            source_reason(error),
        );
        Self {
            lacks_rights: is_forbidden(error),
            ..failed
        }
    }

    /// A message has a value that no file may contain.
    pub(crate) fn invalid_value(value: &InvalidValue) -> Self {
        Self::invalid_data(&value.for_consumer(), value.to_string())
    }

    /// A value cannot be written.
    pub(crate) fn invalid_data(what: &str, reason: String) -> Self {
        Self::permanent(
            FailureCode::InvalidData,
            format!(
                "{what} Please choose a time range or filter without this message, or have the message \
                 corrected."
            ),
            reason,
        )
    }

    /// The file could not be stored.
    pub(crate) fn store(error: &StoreError) -> Self {
        Self {
            is_retryable: error.is_transient(),
            ..Self::retryable(
                FailureCode::StorageUnavailable,
                NOT_STORED,
                error_line(error),
            )
        }
    }

    /// The file would exceed the size limit of the store, or of the memory for its parts.
    pub(crate) fn too_large(limit_bytes: u64, memory_bytes: u64) -> Self {
        let advice = if limit_bytes < MAX_FILE_SIZE {
            format!(
                ", the maximum with EXPORTS_UPLOAD_MEMORY={}: a larger value allows larger files",
                ByteSize::new(memory_bytes)
            )
        } else {
            String::new()
        };
        Self::permanent(
            FailureCode::FileTooLarge,
            format!(
                "The file would be larger than {} GiB. Please choose a shorter time range or a filter, \
                 and create several exports.",
                limit_bytes >> 30
            ),
            format!("the file would be larger than {limit_bytes} bytes{advice}"),
        )
    }

    /// The export would have more files than [`MAX_SPLIT_FILES`].
    pub(crate) fn too_many_files(rows_per_file: u64) -> Self {
        Self::permanent(
            FailureCode::FileTooLarge,
            format!(
                "The export would have more than {MAX_SPLIT_FILES} files of {rows_per_file} rows. Please choose a larger \
                 max_rows_per_file, a shorter time range or a filter."
            ),
            format!(
                "the export would have more than {MAX_SPLIT_FILES} files of {rows_per_file} rows"
            ),
        )
    }

    fn stalled(reason: String) -> Self {
        Self::retryable(
            FailureCode::SourceStalled,
            "Reading the messages stopped and did not continue. Please create the export again later. If \
             that fails too, contact support with the id of this export.",
            reason,
        )
    }

    /// The attempt exceeded the maximum duration because it waited for the source.
    pub(crate) fn source_stalled(waited: Duration, limit: Duration) -> Self {
        Self::stalled(format!(
            "the attempt waited {waited:?} of the maximum duration of {limit:?} for rows of the source"
        ))
    }

    /// The attempt exceeded the maximum duration because it waited for the store.
    pub(crate) fn store_stalled(waited: Duration, limit: Duration) -> Self {
        Self::retryable(
            FailureCode::StorageUnavailable,
            NOT_STORED,
            format!(
                "the attempt waited {waited:?} of the maximum duration of {limit:?} for the object store"
            ),
        )
    }

    /// The attempt exceeded the maximum duration although rows flowed.
    pub(crate) fn timed_out(limit: Duration) -> Self {
        Self::permanent(
            FailureCode::TimedOut,
            "The export exceeded the maximum duration. Please choose a shorter time range or a filter, \
             and create several exports."
                .to_owned(),
            format!("the attempt exceeded the maximum duration of {limit:?}"),
        )
    }

    /// A defect of the service.
    pub(crate) fn internal(error: &dyn StdError) -> Self {
        Self::retryable(
            FailureCode::InternalError,
            "The export failed because of an internal error. Please contact support with the id of this \
             export.",
            error_line(error),
        )
    }
}

/// A replica that cancels a query during recovery reports it as a serialization failure (40001). The
/// reason says what really happened.
fn source_reason(error: &SourceError) -> String {
    let reason = error_line(error);
    match error.sql_state().as_deref() {
        Some("40001") => format!("a replica's recovery conflict ended the reading: {reason}"),
        _ => reason,
    }
}
