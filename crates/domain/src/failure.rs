//! Why an export failed, in words for the consumer who asked for it.

use std::fmt;
use std::str::FromStr;

use crate::filter::UnknownName;

/// The kinds of failure, machine-readable: `error_code` of a failed export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// The messages could not be read.
    SourceUnavailable,
    /// A message holds a value that the file's format cannot express.
    InvalidData,
    /// The file could not be stored.
    StorageUnavailable,
    /// The file would outgrow what object stores take.
    FileTooLarge,
    /// One attempt took longer than the service allows.
    TimedOut,
    /// The workers that held it stopped without a word.
    AttemptsExhausted,
    /// The service's operator ended it.
    EndedByOperator,
    /// A defect of the service.
    InternalError,
}

impl FailureCode {
    /// Every code.
    pub const ALL: [Self; 8] = [
        Self::SourceUnavailable,
        Self::InvalidData,
        Self::StorageUnavailable,
        Self::FileTooLarge,
        Self::TimedOut,
        Self::AttemptsExhausted,
        Self::EndedByOperator,
        Self::InternalError,
    ];

    /// The name in the API and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceUnavailable => "SOURCE_UNAVAILABLE",
            Self::InvalidData => "INVALID_DATA",
            Self::StorageUnavailable => "STORAGE_UNAVAILABLE",
            Self::FileTooLarge => "FILE_TOO_LARGE",
            Self::TimedOut => "TIMED_OUT",
            Self::AttemptsExhausted => "ATTEMPTS_EXHAUSTED",
            Self::EndedByOperator => "ENDED_BY_OPERATOR",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FailureCode {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|code| code.as_str() == name)
            .ok_or_else(|| UnknownName::new(name, &Self::ALL.map(Self::as_str)))
    }
}

/// Why there is no file. `message` is for the consumer: what happened and what to do, nothing
/// internal (no paths, SQL, addresses).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people.
    pub message: String,
}
