//! Whether a connection is usable after an error.

use crate::error::{READ_ONLY, is_fatal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterError {
    /// The server refused the statement. The connection is usable.
    Keep,
    /// The driver stopped in the middle of the answer. Close the connection.
    Close,
    /// Close the connection, and check all others before their next use.
    CloseAndCheckOthers,
}

impl AfterError {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(_) if is_fatal(error) => Self::CloseAndCheckOthers,
            sqlx::Error::Database(refused) => match refused.code().as_deref() {
                Some(state) if state == READ_ONLY || state.starts_with("08") => {
                    Self::CloseAndCheckOthers
                }
                _ => Self::Keep,
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::CloseAndCheckOthers,
            _ => Self::Close,
        }
    }
}
