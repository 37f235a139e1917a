//! Why the source cannot be read, as its callers need to tell it apart.

use exports_postgres::StatementError;

/// Reading the source failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection or the server.
    #[error(transparent)]
    Postgres(#[from] exports_postgres::Error),
    /// The replica did not replay the primary's position in time.
    #[error("the replica is behind the primary: it has not replayed {lsn} within {waited_s} s")]
    ReplicaBehind {
        /// The position in the write-ahead log that was waited for.
        lsn: String,
        /// How long, in seconds.
        waited_s: u64,
    },
    /// The server was a replica when the session was opened and has been promoted since: it will never
    /// replay the primary's log. Open a new session.
    #[error("the server was a replica when the session was opened, and has been promoted since")]
    Promoted,
    /// A relation was rewritten, or replaced by another, while an export began or read.
    #[error("{what} was rewritten, replaced or extended by a partition while the export read it")]
    Changed {
        /// Which relation.
        what: String,
    },
    /// Logical replication has not copied all rows yet.
    #[error("the first copy of {relation} by logical replication has not ended")]
    Copying {
        /// Which relation.
        relation: String,
    },
    /// Columns have types that exports cannot read.
    #[error("the source has columns of unsuitable types: {0}")]
    UnsuitableColumns(String),
    /// The rows are not binary COPY as this version knows it.
    #[error("the stream of rows is malformed: {0}")]
    MalformedCopy(&'static str),
    /// A text in the rows is not UTF-8.
    #[error("the stream of rows is malformed: a text is not UTF-8")]
    NotUtf8,
    /// The server answered a query with rows of another form than the query has.
    #[error("the source gave an unexpected answer to {0}")]
    UnexpectedAnswer(&'static str),
    /// The session answered for another statement than the last one.
    #[error("the connection answered for something else")]
    OutOfStep,
    /// The session was used before its transaction began: a defect of the caller.
    #[error("the session has no transaction")]
    NotBegun,
}

impl Error {
    /// Whether the same may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Postgres(error) => error.is_transient(),
            Self::ReplicaBehind { .. }
            | Self::Promoted
            | Self::Changed { .. }
            | Self::Copying { .. }
            | Self::UnexpectedAnswer(_)
            | Self::OutOfStep
            | Self::NotBegun => true,
            Self::UnsuitableColumns(_) | Self::MalformedCopy(_) | Self::NotUtf8 => false,
        }
    }

    /// The `SQLSTATE`, if the server gave one.
    #[must_use]
    pub fn sql_state(&self) -> Option<String> {
        self.postgres()?.sql_state()
    }

    /// Whether a value in the data was the reason: `SQLSTATE` class 22, or a text that is not UTF-8.
    #[must_use]
    pub fn is_data(&self) -> bool {
        matches!(self, Self::NotUtf8)
            || self
                .postgres()
                .is_some_and(exports_postgres::Error::is_data)
    }

    /// Whether the server answered that it will not run the statement: the connection is as good as
    /// before.
    pub(crate) fn is_refused(&self) -> bool {
        self.postgres()
            .is_some_and(exports_postgres::Error::is_refused)
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
            _ => None,
        }
    }
}
