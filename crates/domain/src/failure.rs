//! Why an export failed, in words for the consumer who asked for it.

use crate::filter::UnknownName;

/// The kinds of failure, machine-readable: `error_code` of a failed export.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(
    serialize_all = "SCREAMING_SNAKE_CASE",
    parse_err_ty = UnknownName,
    parse_err_fn = UnknownName::among::<FailureCode>
)]
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
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// Their names.
    pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
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
