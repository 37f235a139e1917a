//! Errors of connections and statements, classified by what the caller can do.

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use sqlx::error::ErrorKind;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::server_error::ServerError;

/// A statement or a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, refuses the login, shuts down, has no free connection, or did
    /// not answer in time. It may be available again later.
    #[error("the database is not available")]
    Unavailable {
        /// The statement was sent, and its result is unknown: it may have been committed.
        maybe_committed: bool,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The database does not accept writes: its address does not lead to the primary.
    #[error("the database is read-only: {0}")]
    ReadOnly(ReadOnly),
    /// The database refused the statement or its data.
    #[error("the database refused the statement")]
    Refused(#[source] sqlx::Error),
    /// The server sent a message that the protocol does not allow here. The connection cannot be
    /// used any more.
    #[error("the server sent an unexpected protocol message")]
    UnexpectedMessage,
    /// The server's answer to a statement that is no COPY is too large to be kept in memory. The
    /// connection cannot be used any more.
    #[error("the answer of the server is larger than {limit_bytes} bytes")]
    AnswerTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
}

/// Why a database does not accept writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadOnly {
    /// It is a standby.
    #[error("the server is a standby, so the address does not lead to the primary")]
    Standby,
    /// An operator has set it, or a managed service whose disk is full.
    #[error("default_transaction_read_only is on")]
    Setting,
}

/// An invalid database URL. The error never shows the URL, which contains a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Not a `PostgreSQL` URL.
    #[error("expected postgres://user:password@host:port/database")]
    Scheme,
    /// A part of it is invalid.
    #[error("not a PostgreSQL URL: {0}")]
    Part(String),
}

impl Error {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::ReadOnly(_)
            | Self::UnexpectedMessage
            | Self::AnswerTooLarge { .. } => true,
            Self::Refused(source) => sql_state(source).is_some_and(|state| {
                // Class 40 is serialization failures and deadlocks, also by a replica's recovery.
                state.starts_with("40") || state == QUERY_CANCELED
            }),
        }
    }

    /// The `SQLSTATE`, if the server sent one.
    #[must_use]
    pub fn sql_state(&self) -> Option<String> {
        match self {
            Self::Unavailable { source, .. } | Self::Refused(source) => {
                sql_state(source).map(Into::into)
            }
            Self::ReadOnly(_) | Self::UnexpectedMessage | Self::AnswerTooLarge { .. } => None,
        }
    }

    /// Whether the database itself is unavailable, and not only this statement refused.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::ReadOnly(_) => true,
            Self::Refused(_) | Self::UnexpectedMessage | Self::AnswerTooLarge { .. } => false,
        }
    }

    /// Whether connecting fails until somebody changes a setting: the login is refused, the database does
    /// not exist, or the server and the address disagree about TLS.
    #[must_use]
    pub fn is_wrong_setting(&self) -> bool {
        if let Self::Unavailable {
            source: sqlx::Error::Io(reason),
            ..
        } = self
        {
            let kind = reason.kind();
            return matches!(
                kind,
                io::ErrorKind::InvalidData | io::ErrorKind::Unsupported
            );
        }
        self.sql_state()
            .is_some_and(|state| state.starts_with("28") || state == "3D000")
    }

    /// Whether a statement was sent and its answer did not come in time. The connection was dead, and the
    /// statement may have been committed.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.is_timeout() && self.may_be_committed()
    }

    /// Whether the server refused the statement. The connection is still usable.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether a value in the data is the reason: `SQLSTATE` class 22 (data exception), or 54000
    /// (`program_limit_exceeded`), which is a row of more than 1 GB.
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.sql_state()
            .is_some_and(|state| state.starts_with("22") || state == "54000")
    }

    /// An error from before any statement was sent, such as one of connecting. Whatever its reason:
    /// the database is unavailable, and nothing was committed.
    pub fn not_sent(error: impl Into<Self>) -> Self {
        match error.into() {
            Self::Unavailable { source, .. } | Self::Refused(source) => Self::Unavailable {
                maybe_committed: false,
                source,
            },
            other => other,
        }
    }

    /// No answer within `limit` to something that changes nothing.
    #[must_use]
    pub fn timed_out(limit: Duration) -> Self {
        Self::not_sent(timeout_error(limit))
    }

    /// An I/O error of a connection that does not exist yet.
    pub(crate) fn connecting(kind: io::ErrorKind, text: impl Into<String>) -> Self {
        Self::not_sent(sqlx::Error::Io(io::Error::new(kind, text.into())))
    }

    /// The same error of connecting for another caller that waits for a connection.
    pub(crate) fn for_another(&self) -> Self {
        let source = match self {
            Self::ReadOnly(reason) => return Self::ReadOnly(*reason),
            Self::Unavailable { source, .. } | Self::Refused(source) => source,
            other => return Self::connecting(io::ErrorKind::Other, other.to_string()),
        };
        match source {
            sqlx::Error::Database(refused) => Self::not_sent(sqlx::Error::from(ServerError {
                state: refused.code().unwrap_or_default().into_owned(),
                message: refused.message().to_owned(),
            })),
            sqlx::Error::Io(reason) => Self::connecting(reason.kind(), reason.to_string()),
            other => Self::connecting(io::ErrorKind::Other, other.to_string()),
        }
    }

    /// The reason in one line, without the context that `Display` gives.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unavailable { source, .. } | Self::Refused(source) => match source {
                sqlx::Error::Io(reason) => reason.to_string(),
                sqlx::Error::Database(reason) => reason.message().to_owned(),
                other => other.to_string(),
            },
            other => other.to_string(),
        }
    }

    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Unavailable { source: sqlx::Error::Io(error), .. }
                 if error.kind() == io::ErrorKind::TimedOut)
    }

    /// Whether the statement may have been committed although it failed.
    pub(crate) fn may_be_committed(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                maybe_committed: true,
                ..
            }
        )
    }

    /// Whether the same statement may succeed over another connection.
    pub(crate) fn is_connection_error(&self) -> bool {
        self.may_be_committed() || self.sql_state().as_deref() == Some(READ_ONLY)
    }

    /// Whether connecting failed because the server starts up or has no free connection.
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

/// `read_only_sql_transaction`: a write on a server that does not accept writes.
pub(crate) const READ_ONLY: &str = "25006";
/// `query_canceled`.
const QUERY_CANCELED: &str = "57014";

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        let maybe_committed = match &source {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => false,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => true,
            // The server can end the session after the commit and before the answer.
            _ if is_fatal(&source) => true,
            _ => match sql_state(&source).as_deref() {
                // 28: the login is refused. 3D000: the database does not exist; a pooler reports it with a
                // statement. 53: out of connections, memory or disk. 57P03: the server starts up. The
                // statement did not run.
                Some(state)
                    if state == READ_ONLY
                        || state == "57P03"
                        || state == "3D000"
                        || state.starts_with("28")
                        || state.starts_with("53") =>
                {
                    false
                }
                // A statement timeout, or an operator, has cancelled only this statement.
                Some(QUERY_CANCELED) => return Self::Refused(source),
                // 57: the server ended the session. 08: PgBouncer lost the server connection.
                Some(state) if state.starts_with("57") || state.starts_with("08") => true,
                _ => return Self::Refused(source),
            },
        };
        Self::Unavailable {
            maybe_committed,
            source,
        }
    }
}

/// No answer within `limit`.
pub(crate) fn timeout_error(limit: Duration) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("no answer within {} s", limit.as_secs()),
    ))
}

/// Whether the severity is `FATAL` or `PANIC`: the server has ended the session.
pub(crate) fn is_fatal(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

fn sql_state(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// Whether the statement violates a foreign key: a row that it refers to is missing.
#[must_use]
pub fn is_foreign_key_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.kind() == ErrorKind::ForeignKeyViolation)
}
