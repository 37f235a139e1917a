//! Errors of reading the source, classified by what the caller can do.

use exports_domain::InvalidValue;
use exports_postgres::StatementError;

/// Reading the source failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error of the connection or the server.
    #[error(transparent)]
    Postgres(#[from] exports_postgres::Error),
    /// The source is silent, and the server does not work on the statement: the connection is lost.
    #[error("the source has been silent for {waited_s} s: {reason}")]
    Stalled {
        /// How long the answer was awaited, in seconds.
        waited_s: u64,
        /// What the server says about the session.
        reason: &'static str,
    },
    /// Replication lag: the replica did not replay the primary's WAL position in time.
    #[error("replication lag: the replica has not replayed WAL position {lsn} within {waited_s} s")]
    ReplicaBehind {
        /// The position (LSN) in the write-ahead log.
        lsn: String,
        /// The time limit in seconds.
        waited_s: u64,
    },
    /// The server was a replica when the session was opened and has been promoted since. It will never
    /// replay the primary's WAL. Open a new session.
    #[error("the server was a replica when the session was opened, and has been promoted since")]
    Promoted,
    /// A relation was rewritten or replaced while an export began or read.
    #[error("{what} was rewritten, replaced or extended by a partition while the export read it")]
    Changed {
        /// Which relation.
        what: String,
    },
    /// The initial copy of logical replication is not finished.
    #[error("the initial copy of {relation} by logical replication is not finished")]
    InitialCopy {
        /// Which relation.
        relation: String,
    },
    /// Columns have types that exports cannot read.
    #[error("the source has columns of unsuitable types: {0}")]
    UnsuitableColumns(String),
    /// The received rows are not valid binary COPY.
    #[error("the stream of rows is malformed: {0}")]
    MalformedCopy(&'static str),
    /// A text in the rows is not UTF-8.
    #[error("the stream of rows is malformed: a text is not UTF-8")]
    NotUtf8,
    /// A message has a value that would exclude it from the file without an error.
    #[error(transparent)]
    InvalidValue(Box<InvalidValue>),
    /// The result of a query does not have the columns or values of that query.
    #[error("the source returned an unexpected result for {0}")]
    UnexpectedAnswer(&'static str),
    /// The answer belongs to another statement than the last one.
    #[error("the connection is out of sync: the answer belongs to another statement")]
    OutOfSync,
    /// The session was used before its transaction began. This is a bug of the caller.
    #[error("the session has no transaction")]
    NotBegun,
}

impl Error {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Postgres(error) => error.is_transient(),
            Self::ReplicaBehind { .. }
            | Self::Stalled { .. }
            | Self::Promoted
            | Self::Changed { .. }
            | Self::InitialCopy { .. }
            | Self::UnexpectedAnswer(_)
            | Self::OutOfSync
            | Self::NotBegun => true,
            Self::UnsuitableColumns(_)
            | Self::MalformedCopy(_)
            | Self::NotUtf8
            | Self::InvalidValue(_) => false,
        }
    }

    /// The `SQLSTATE`, if the server sent one.
    #[must_use]
    pub fn sql_state(&self) -> Option<String> {
        self.postgres()?.sql_state()
    }

    /// Whether a value in the data is the reason: `SQLSTATE` class 22, a text that is not UTF-8,
    /// or an invalid value.
    #[must_use]
    pub fn is_data(&self) -> bool {
        matches!(self, Self::NotUtf8 | Self::InvalidValue(_))
            || self
                .postgres()
                .is_some_and(exports_postgres::Error::is_data)
    }

    /// Whether the server refused the statement. The connection is still usable.
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
