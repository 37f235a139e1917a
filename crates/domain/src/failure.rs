//! Why an export failed, for its consumer.

use crate::filter::UnknownName;

/// The `error_code` of a failed export.
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
    /// A bug in the service.
    InternalError,
}

impl FailureCode {
    /// Every code.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// The names of all codes.
    pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
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
