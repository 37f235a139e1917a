//! Errors of the encoder, and what they mean for the export.

use exports_formats::WriteError;

use crate::job::JobError;
use crate::pipeline::encoder::MAX_ROW;

/// Why a chunk cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The bytes are not a row of the query.
    #[error(transparent)]
    Decode(#[from] exports_source::Error),
    /// A value cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A row is longer than the limit.
    #[error("message {message} has at least {bytes} bytes; the limit is {MAX_ROW}")]
    RowTooLong {
        /// The message's id.
        message: String,
        /// The bytes received so far, and those that the current field still needs.
        bytes: usize,
    },
    /// A row does not fit into memory.
    #[error("out of memory: a row has more than {bytes} bytes")]
    OutOfMemory {
        /// The bytes received so far, and those that the current field still needs.
        bytes: usize,
    },
    /// The COPY ended before its trailer.
    #[error("the rows end early")]
    UnexpectedEnd,
}

impl EncodeError {
    pub(crate) fn row_too_long(message: Option<impl ToString>, bytes: usize) -> Self {
        let message = message.map_or_else(|| "without id".to_owned(), |id| id.to_string());
        Self::RowTooLong { message, bytes }
    }
}

impl From<EncodeError> for JobError {
    fn from(error: EncodeError) -> Self {
        match &error {
            EncodeError::Decode(decode) => Self::rows(decode),
            EncodeError::Write(WriteError::Value(value)) => Self::invalid_value(value),
            EncodeError::RowTooLong { message, .. } => Self::invalid_data(
                &format!("Message {message} has more than {} MiB.", MAX_ROW >> 20),
                error.to_string(),
            ),
            EncodeError::Write(WriteError::Parquet(_))
            | EncodeError::UnexpectedEnd
            | EncodeError::OutOfMemory { .. } => Self::internal(&error),
        }
    }
}
