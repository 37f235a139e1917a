//! Errors of statements on the service's own tables.

use exports_postgres::StatementError;
use uuid::Uuid;

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection or the server failed.
    #[error(transparent)]
    Postgres(#[from] exports_postgres::Error),
    /// A stored value is not valid in this version of the program.
    #[error("{column} of {row} is {value:?}, which this version does not support")]
    Corrupt {
        /// The row.
        row: String,
        /// The column.
        column: &'static str,
        /// The stored value.
        value: String,
    },
    /// The connection returned the result of another statement: it is out of sync.
    #[error("the connection is out of sync: asked for export {expected}, got export {found}")]
    WrongExport {
        /// The export in the statement.
        expected: Uuid,
        /// The export in the result.
        found: Uuid,
    },
    /// Concurrent requests created and deleted exports with the same idempotency key.
    #[error("conflict: exports with this idempotency key were created and deleted concurrently")]
    KeyContended,
    /// Concurrent requests created and deleted webhooks of the same project.
    #[error("conflict: webhooks of this project were created and deleted concurrently")]
    SlotContended,
    /// The project of a new export or webhook was deleted after the request was authenticated.
    #[error("the project was deleted")]
    ProjectDeleted,
}

impl Error {
    /// Whether the same statement may succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Postgres(error) => error.is_transient(),
            Self::WrongExport { .. } | Self::KeyContended | Self::SlotContended => true,
            Self::Corrupt { .. } | Self::ProjectDeleted => false,
        }
    }

    /// Whether the database itself is unavailable, and not only this statement refused.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.postgres()
            .is_some_and(exports_postgres::Error::is_unavailable)
    }

    /// Whether no answer came in time, because the connection was dead.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.postgres()
            .is_some_and(exports_postgres::Error::is_unanswered)
    }

    /// Whether the database is reachable but read-only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Postgres(exports_postgres::Error::ReadOnly(_)))
    }

    /// The `SQLSTATE`, if the error comes from the server.
    #[must_use]
    pub fn sql_state(&self) -> Option<String> {
        self.postgres()?.sql_state()
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Postgres(error.into())
    }
}

impl StatementError for Error {
    fn postgres(&self) -> Option<&exports_postgres::Error> {
        match self {
            Self::Postgres(error) => Some(error),
            Self::Corrupt { .. }
            | Self::WrongExport { .. }
            | Self::KeyContended
            | Self::SlotContended
            | Self::ProjectDeleted => None,
        }
    }
}
