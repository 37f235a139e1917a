//! Every way in which a request is refused or fails, and what the consumer is told: the code (and
//! with it the status), the message and the headers are decided here and nowhere else.
//!
//! The body needs the request's id, so it is written by [`crate::request_id`], which every answer
//! passes last; until then the error travels as an extension of the response.

use std::sync::Arc;

use axum::http::HeaderName;
use axum::http::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use exports_database::{Error as DatabaseError, MigrationState};
use exports_domain::ExportStatus;
use exports_domain::error_line;
use exports_objects::StoreError;
use exports_source::Error as SourceError;

use crate::error_code::ErrorCode;

/// After how many seconds what is away may be back.
const RETRY_SECONDS: u64 = 1;

/// Why a request is not answered as it was meant. `Display` is for the log; what the consumer
/// reads is [`ApiError::message`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The request is malformed or contradicts itself: which field, and the rule.
    #[error("invalid request: {0}")]
    Invalid(String),
    #[error("no such endpoint")]
    EndpointNotFound,
    /// There is no file (yet).
    #[error("the export is {0}")]
    NotReady(ExportStatus),
    #[error("no valid API key")]
    Unauthorized,
    #[error("no valid signature")]
    InvalidSignature,
    #[error("no such export")]
    ExportNotFound,
    #[error("no such route")]
    RouteNotFound,
    #[error("no such method here")]
    MethodNotAllowed,
    #[error("the export is pending or processing")]
    Active,
    #[error("the Idempotency-Key belongs to another request")]
    IdempotencyMismatch,
    #[error("the file's or the link's time is over")]
    Expired,
    #[error("the body is too large")]
    PayloadTooLarge,
    #[error("the range begins behind the file's {size} bytes")]
    RangeNotSatisfiable {
        /// Of the file, in bytes.
        size: u64,
    },
    /// Several requests can have failed for the same reason.
    #[error("the database failed")]
    Database(#[source] Arc<DatabaseError>),
    #[error("the source failed")]
    Source(#[from] SourceError),
    #[error("the object store failed")]
    Store(#[source] StoreError),
    /// A completed export's file is not what its record says.
    #[error("the file of export {id} is damaged: {reason}")]
    FileDamaged {
        /// The export's.
        id: exports_domain::ExportId,
        /// What is wrong with it.
        reason: String,
    },
    #[error("the schema is not ready")]
    Schema(#[source] MigrationState),
    #[error("the request took longer than {seconds} s")]
    TimedOut {
        /// The limit.
        seconds: u64,
    },
    /// The panic itself was logged where it happened.
    #[error("a panic ended the request")]
    Panicked,
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<Arc<DatabaseError>> for ApiError {
    fn from(error: Arc<DatabaseError>) -> Self {
        Self::Database(error)
    }
}

impl ApiError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The code, which decides the status.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::EndpointNotFound => ErrorCode::EndpointNotFound,
            Self::NotReady(_) => ErrorCode::ExportNotReady,
            Self::Unauthorized => ErrorCode::Unauthorized,
            Self::InvalidSignature => ErrorCode::InvalidSignature,
            Self::ExportNotFound | Self::RouteNotFound => ErrorCode::NotFound,
            Self::MethodNotAllowed => ErrorCode::MethodNotAllowed,
            Self::Active => ErrorCode::ExportActive,
            Self::IdempotencyMismatch => ErrorCode::IdempotencyMismatch,
            Self::Expired => ErrorCode::ExportExpired,
            Self::PayloadTooLarge => ErrorCode::PayloadTooLarge,
            Self::RangeNotSatisfiable { .. } => ErrorCode::RangeNotSatisfiable,
            Self::Database(error) if error.is_transient() => ErrorCode::Unavailable,
            Self::Source(error) if error.is_transient() => ErrorCode::Unavailable,
            Self::Store(error) if error.is_transient() => ErrorCode::Unavailable,
            Self::Schema(_) | Self::TimedOut { .. } => ErrorCode::Unavailable,
            Self::Database(_)
            | Self::Source(_)
            | Self::Store(_)
            | Self::FileDamaged { .. }
            | Self::Panicked => ErrorCode::InternalError,
        }
    }

    /// What the consumer reads: what is wrong and what to do, nothing internal.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Invalid(message) => message.clone(),
            Self::NotReady(status) => not_ready(*status),
            Self::RouteNotFound => "Route not found".to_owned(),
            Self::RangeNotSatisfiable { size } => {
                format!("the range begins behind the end of the file, which has {size} bytes")
            }
            Self::Database(error) if error.is_read_only() => {
                "the service can only read at the moment: try again later".to_owned()
            }
            Self::EndpointNotFound
            | Self::Unauthorized
            | Self::InvalidSignature
            | Self::ExportNotFound
            | Self::MethodNotAllowed
            | Self::Active
            | Self::IdempotencyMismatch
            | Self::Expired
            | Self::PayloadTooLarge
            | Self::Database(_)
            | Self::Source(_)
            | Self::Store(_)
            | Self::FileDamaged { .. }
            | Self::Schema(_)
            | Self::TimedOut { .. }
            | Self::Panicked => self.code().message().to_owned(),
        }
    }

    /// The headers that belong to the status. `Allow` comes from the router.
    fn headers(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthorized => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            // Digits, a slash and a star are always a header's value.
            Self::RangeNotSatisfiable { size } => {
                let value = HeaderValue::try_from(format!("bytes */{size}")).ok()?;
                Some((CONTENT_RANGE, value))
            }
            _ if self.code() == ErrorCode::Unavailable => {
                Some((RETRY_AFTER, HeaderValue::from(RETRY_SECONDS)))
            }
            _ => None,
        }
    }

    /// Writes a failure of ours down, once, with everything that led to it. What the consumer got
    /// wrong is no news.
    pub(crate) fn log(&self) {
        if self.code().status().is_server_error() && !matches!(self, Self::Panicked) {
            tracing::error!(error = error_line(self), "the request failed");
        }
    }
}

fn not_ready(status: ExportStatus) -> String {
    let what_to_do = match status {
        ExportStatus::Pending | ExportStatus::Processing => {
            "get it again until its status is completed"
        }
        ExportStatus::Failed => "its error_message says why; ask for a new one",
        ExportStatus::Completed | ExportStatus::Expired => "get it again",
    };
    format!("the export is {status}: {what_to_do}")
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let headers: HeaderMap = self.headers().into_iter().collect();
        let mut response = (self.code().status(), headers).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// A client's own text in a message: in quotes, escaped, and never whole if it is long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 64;
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", cut.escape_debug())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn failures_of_ours_say_nothing_internal_and_503_says_when_to_come_back() {
        let error = ApiError::from(DatabaseError::Corrupt {
            row: "export 1".to_owned(),
            column: "status",
            value: "secret".to_owned(),
        });
        assert_eq!(error.code(), ErrorCode::InternalError);
        assert!(!error.message().contains("secret"));
        let response = ApiError::TimedOut { seconds: 30 }.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        let response = ApiError::Unauthorized.into_response();
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
        let response = ApiError::RangeNotSatisfiable { size: 7 }.into_response();
        assert_eq!(response.headers()[CONTENT_RANGE], "bytes */7");
    }

    #[test]
    fn a_client_s_text_is_escaped_and_cut() {
        assert_eq!(quoted("a\"b\n\u{1b}"), r#""a\"b\n\u{1b}""#);
        let long = quoted(&"é".repeat(1000));
        assert_eq!(long.chars().count(), 64 + 3);
    }
}
