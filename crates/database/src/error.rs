//! What can go wrong with the service's own tables.

use exports_postgres::StatementError;
use uuid::Uuid;

/// A statement that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection or the server.
    #[error(transparent)]
    Postgres(#[from] exports_postgres::Error),
    /// A stored value is not what this version of the program knows.
    #[error("{column} of {row} holds {value:?}, which this version does not know")]
    Corrupt {
        /// Which row.
        row: String,
        /// Which column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// A statement about one export answered with another: the connection is out of step.
    #[error("the connection answered for export {found}, asked about {expected}")]
    WrongExport {
        /// Which export was asked about.
        expected: Uuid,
        /// Which one the answer is about.
        found: Uuid,
    },
    /// Other requests with the same idempotency key came and went while this one was created.
    #[error("the idempotency key was in use by exports that were deleted meanwhile")]
    KeyContended,
}

impl Error {
    /// Whether the same may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Postgres(error) => error.is_transient(),
            Self::WrongExport { .. } | Self::KeyContended => true,
            Self::Corrupt { .. } => false,
        }
    }

    /// Whether the database answers and takes no writes.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Postgres(exports_postgres::Error::ReadOnly(_)))
    }

    /// The `SQLSTATE`, if the server gave one.
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
            Self::Corrupt { .. } | Self::WrongExport { .. } | Self::KeyContended => None,
        }
    }
}
