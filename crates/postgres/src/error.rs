//! What can go wrong with a database, sorted by what the caller can do about it.

use std::io;
use std::time::Duration;

use sqlx::error::ErrorKind;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// A statement that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, refuses the login, is shutting down, has no connection free, or
    /// did not answer in time: later it may be back.
    #[error("the database is not available")]
    Unavailable {
        /// The statement was sent and nobody told us how it ended: it may have been carried out.
        maybe_committed: bool,
        /// What the driver saw.
        #[source]
        source: sqlx::Error,
    },
    /// The database answers, and takes no writes: its address does not lead to the primary now.
    #[error("the database is read-only: {0}")]
    ReadOnly(ReadOnly),
    /// The database refused the statement or its data.
    #[error("the database refused the statement")]
    Refused(#[source] sqlx::Error),
    /// The server's answer is not what the protocol has at this place: the connection cannot be used
    /// any more.
    #[error("the server sent an answer that was not expected here")]
    UnexpectedMessage,
}

/// Why a database takes no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadOnly {
    /// It follows another server.
    #[error("the server is a standby, so the address does not lead to the primary")]
    Standby,
    /// It was told so, by an operator or by a managed service whose disk is full.
    #[error("default_transaction_read_only is on")]
    Setting,
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
            Self::Unavailable { .. } | Self::ReadOnly(_) | Self::UnexpectedMessage => true,
            Self::Refused(source) => sql_state(source).is_some_and(|state| {
                // Serialization failures and deadlocks, which a replica's recovery also causes.
                state.starts_with("40") || state == "57014"
            }),
        }
    }

    /// The `SQLSTATE`, if the server gave one.
    #[must_use]
    pub fn sql_state(&self) -> Option<String> {
        match self {
            Self::Unavailable { source, .. } | Self::Refused(source) => {
                sql_state(source).map(Into::into)
            }
            Self::ReadOnly(_) | Self::UnexpectedMessage => None,
        }
    }

    /// Whether the server answered that it will not run the statement: the connection is as good as
    /// before.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether a value in the data was the reason (`SQLSTATE` class 22).
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.sql_state()
            .is_some_and(|state| state.starts_with("22"))
    }

    /// The same as an error from before anything was asked, as one of connecting: whatever the reason,
    /// the database cannot be used now, and nothing was carried out.
    pub fn unsent(error: impl Into<Self>) -> Self {
        match error.into() {
            Self::Unavailable { source, .. } | Self::Refused(source) => Self::Unavailable {
                maybe_committed: false,
                source,
            },
            other => other,
        }
    }

    /// Nothing came back within `limit`, of something that changes nothing.
    #[must_use]
    pub fn silence(limit: Duration) -> Self {
        Self::unsent(silence(limit))
    }

    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Unavailable { source: sqlx::Error::Io(error), .. }
                 if error.kind() == io::ErrorKind::TimedOut)
    }

    /// Whether the statement may have been carried out although it failed.
    #[must_use]
    pub fn may_be_committed(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                maybe_committed: true,
                ..
            }
        )
    }

    /// Whether the reason is the connection, so that another one may do better.
    pub(crate) fn is_of_connection(&self) -> bool {
        self.may_be_committed() || self.sql_state().as_deref() == Some(READ_ONLY)
    }

    /// Whether connecting failed because the server starts, or has no connection free for a moment.
    pub(crate) fn is_starting(&self) -> bool {
        match self {
            Self::Unavailable {
                source: sqlx::Error::Io(error),
                ..
            } => error.kind() == io::ErrorKind::ConnectionRefused,
            other => matches!(other.sql_state().as_deref(), Some("57P03" | "53300")),
        }
    }
}

/// `read_only_sql_transaction`: a write was sent to a server that takes none.
pub(crate) const READ_ONLY: &str = "25006";

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        let maybe_committed = match &source {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => false,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => true,
            // It can come after the commit and before the answer.
            _ if ends_session(&source) => true,
            _ => match sql_state(&source).as_deref() {
                // 28: the login is refused; 53: out of connections, memory or disk; 57P03: starting.
                // Of none of these anything was carried out.
                Some(state)
                    if state == READ_ONLY
                        || state == "57P03"
                        || state.starts_with("28")
                        || state.starts_with("53") =>
                {
                    false
                }
                // 57P: the session was ended; 08: the connection, as PgBouncer tells of it.
                Some(state) if state.starts_with("57P") || state.starts_with("08") => true,
                _ => return Self::Refused(source),
            },
        };
        Self::Unavailable {
            maybe_committed,
            source,
        }
    }
}

/// Nothing came back within `limit`.
pub(crate) fn silence(limit: Duration) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("no answer within {} s", limit.as_secs()),
    ))
}

/// Whether the server ended the session with this error, whatever its code.
pub(crate) fn ends_session(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

fn sql_state(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// Whether a row that it refers to is missing.
#[must_use]
pub fn is_foreign_key_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.kind() == ErrorKind::ForeignKeyViolation)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::error::Error as StdError;
    use std::fmt;

    use sqlx::error::DatabaseError;

    use super::*;

    /// What a server says, in which language ever.
    #[derive(Debug)]
    struct Refusal(&'static str);

    impl fmt::Display for Refusal {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.message())
        }
    }

    impl StdError for Refusal {}

    impl DatabaseError for Refusal {
        fn message(&self) -> &'static str {
            "das geht nicht"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(Cow::Borrowed(self.0))
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn refusal(state: &'static str) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Refusal(state)))
    }

    #[test]
    fn errors_are_sorted_by_their_state() {
        // Whether the database counts as unavailable, and whether the statement may be committed.
        for (state, expected) in [
            ("25006", Some(false)),
            ("28P01", Some(false)),
            ("28000", Some(false)),
            ("53100", Some(false)),
            ("53200", Some(false)),
            ("53300", Some(false)),
            ("57P01", Some(true)),
            ("57P02", Some(true)),
            ("57P03", Some(false)),
            ("57P04", Some(true)),
            ("57P05", Some(true)),
            ("08006", Some(true)),
            ("08P01", Some(true)),
            ("22012", None),
            ("23505", None),
            ("42501", None),
            ("42P01", None),
            ("57014", None),
            ("XX000", None),
        ] {
            let error = Error::from(refusal(state));
            let found = match &error {
                Error::Unavailable {
                    maybe_committed, ..
                } => Some(*maybe_committed),
                _ => None,
            };
            assert_eq!(found, expected, "{state}");
            assert_eq!(error.sql_state().as_deref(), Some(state));
            if expected.is_some() {
                assert!(error.is_transient(), "{state}");
            }
        }
    }

    #[test]
    fn whatever_fails_before_a_statement_is_sent_is_unavailable_and_not_committed() {
        for error in [
            refusal("3D000"),
            refusal("42501"),
            refusal("57P01"),
            sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()),
            sqlx::Error::Tls("no certificate".into()),
            sqlx::Error::PoolTimedOut,
        ] {
            let error = Error::unsent(error);
            assert!(error.is_transient(), "{error:?}");
            assert!(!error.may_be_committed(), "{error:?}");
        }
    }
}
