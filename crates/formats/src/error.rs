//! Why a row or the end of a file cannot be written.

use exports_domain::InvalidValue;

/// Why something cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// No file may contain the value.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// The Parquet library has refused something: a defect.
    #[error("Parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}
