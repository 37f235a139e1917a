//! Why an export failed, for its consumer.

use crate::named_enum::named_enum;

named_enum! {
    /// The `error_code` of a failed export.
    enum FailureCode: "SCREAMING_SNAKE_CASE" {
        /// The messages could not be read.
        SourceUnavailable,
        /// Reading the messages stopped: the source was silent and did not work on the export.
        SourceStalled,
        /// A message has a value that the file format cannot represent.
        InvalidData,
        /// The file could not be stored.
        StorageUnavailable,
        /// The file is larger than object stores allow.
        FileTooLarge,
        /// An attempt exceeded the maximum duration.
        TimedOut,
        /// The lease of the last attempt expired and no attempts are left.
        AttemptsExhausted,
        /// An operator ended it.
        EndedByOperator,
        /// Its consumer canceled it.
        Canceled,
        /// A bug in the service.
        InternalError,
    }
}

/// Why an export failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The machine-readable reason.
    pub code: FailureCode,
    /// What happened and what the consumer can do. It contains nothing internal: no paths, SQL or
    /// addresses.
    pub message: String,
}
