//! What can go wrong with a database, sorted by what the caller can do about it.

use sqlx::error::ErrorKind;

/// A statement that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, is shutting down, or has no connection free: later it may
    /// be back. `committed` tells whether the statement may have been carried out all the same.
    #[error("the database is not available")]
    Unavailable {
        /// The statement had been sent; nobody told us how it ended.
        maybe_committed: bool,
        /// What the driver saw.
        #[source]
        source: sqlx::Error,
    },
    /// The database refused the statement or its data.
    #[error("the database refused the statement")]
    Refused(#[source] sqlx::Error),
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
    /// The answer is not the one to the question: the connection is out of step.
    #[error("the connection answered for something else")]
    Desynchronised,
    /// The replica did not come up to the primary in time.
    #[error("the replica is behind the primary: it has not replayed {lsn} within {waited_s} s")]
    ReplicaBehind {
        /// The write-ahead log position that was waited for.
        lsn: String,
        /// How long, in seconds.
        waited_s: u64,
    },
    /// Tables were rewritten, or exchanged for others, while an export began or read.
    #[error("{what} was rewritten, replaced or extended by a partition while the export read it")]
    SourceChanged {
        /// Which relation.
        what: String,
    },
    /// Logical replication has not copied all rows yet.
    #[error("the first copy of {relation} by logical replication has not ended")]
    SourceCopying {
        /// Which relation.
        relation: String,
    },
    /// Columns have types that exports cannot read.
    #[error("the source has columns of unsuitable types: {0}")]
    SourceColumns(String),
    /// The stream of rows is not binary COPY as this version knows it.
    #[error("the stream of rows is malformed: {0}")]
    Stream(&'static str),
}

/// A database URL that cannot be used. It never shows the URL, which holds a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Not a `PostgreSQL` URL.
    #[error("expected postgres://user:password@host:port/database")]
    Scheme,
    /// One of its parts is wrong.
    #[error("not a PostgreSQL URL: {0}")]
    Part(String),
}

impl Error {
    /// Whether the same may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::ReplicaBehind { .. }
            | Self::SourceChanged { .. }
            | Self::SourceCopying { .. }
            | Self::Desynchronised => true,
            Self::Refused(source) => sql_state(source).is_some_and(|state| {
                // Serialization failures and deadlocks, which a replica's recovery also causes.
                state.starts_with("40") || state == "57014"
            }),
            Self::Corrupt { .. } | Self::SourceColumns(_) | Self::Stream(_) => false,
        }
    }

    /// The `SQLSTATE`, if the server gave one.
    #[must_use]
    pub fn sql_state(&self) -> Option<String> {
        match self {
            Self::Unavailable { source, .. } | Self::Refused(source) => {
                sql_state(source).map(Into::into)
            }
            Self::Corrupt { .. }
            | Self::Desynchronised
            | Self::ReplicaBehind { .. }
            | Self::SourceChanged { .. }
            | Self::SourceCopying { .. }
            | Self::SourceColumns(_)
            | Self::Stream(_) => None,
        }
    }

    /// Whether the server answered that it will not run the statement: the connection is as good as
    /// before.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether a value in the data was the reason (`SQLSTATE` class 22).
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.sql_state()
            .is_some_and(|state| state.starts_with("22"))
    }

    pub(crate) fn may_be_committed(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                maybe_committed: true,
                ..
            }
        )
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        match &source {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Unavailable {
                maybe_committed: false,
                source,
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable {
                maybe_committed: true,
                source,
            },
            sqlx::Error::Database(error) => {
                let state = error.code().unwrap_or_default();
                // 57P0x: shutting down or starting; 53: out of connections, memory or disk; 08:
                // the connection. Of these only a session's end can come after its commit.
                if state.starts_with("57P") || state.starts_with("53") || state.starts_with("08") {
                    Self::Unavailable {
                        maybe_committed: !state.starts_with("53"),
                        source,
                    }
                } else {
                    Self::Refused(source)
                }
            }
            _ => Self::Refused(source),
        }
    }
}

fn sql_state(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// Whether a row that it refers to is missing.
pub(crate) fn is_foreign_key_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.kind() == ErrorKind::ForeignKeyViolation)
}
