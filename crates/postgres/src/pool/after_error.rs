//! What an error means for the connection that it came over.

use crate::error::{READ_ONLY, ends_session};

/// What an error means for the connection that it came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// The server refused the statement: the next one will be answered.
    InStep,
    /// The driver gave up amid the answer.
    OutOfStep,
    /// It is of no use, and others may be like it.
    Distrust,
}

impl Aftermath {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(_) if ends_session(error) => Self::Distrust,
            sqlx::Error::Database(refused) => match refused.code().as_deref() {
                Some(state) if state == READ_ONLY || state.starts_with("08") => Self::Distrust,
                _ => Self::InStep,
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Distrust,
            _ => Self::OutOfStep,
        }
    }
}
