//! The errors of requests. Only this module decides their code (and so the status), message and headers.
//!
//! The body contains the request id, so [`crate::middleware::request_span`] writes it. Until then the error is an extension of the
//! response.

use std::sync::Arc;

use axum::http::HeaderName;
use axum::http::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use exports_database::{Error as DatabaseError, MigrationState, MissingRights};
pub(crate) use exports_domain::quoted;
use exports_domain::{Exceeded, ExportId, ExportStatus, Scope, error_line};
use exports_objects::StoreError;
use exports_source::Error as SourceError;

use crate::error_code::ErrorCode;
use crate::estimate_export::MAX_ESTIMATES;
use crate::file_readers::MAX_READERS;
use crate::limits;

/// The value of `Retry-After`, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Why a request fails. `Display` is for the log; [`ApiError::message`] is for the consumer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The message names the field and the rule.
    #[error("invalid request: {0}")]
    Invalid(String),
    #[error("endpoint not found")]
    EndpointNotFound,
    #[error("the export is {0}, so it has no file")]
    NotReady(ExportStatus),
    #[error("invalid or missing API key")]
    Unauthorized,
    #[error("the scope of the key is too narrow: {needed} is needed")]
    ScopeTooNarrow { needed: Scope },
    #[error("the project is suspended")]
    ProjectSuspended,
    #[error("invalid link signature")]
    InvalidSignature,
    #[error("export not found")]
    ExportNotFound,
    #[error("webhook not found")]
    WebhookNotFound,
    #[error("the project has the maximum number of webhooks")]
    TooManyWebhooks,
    #[error("route not found")]
    RouteNotFound,
    #[error("method not allowed")]
    MethodNotAllowed,
    #[error("the export is pending or processing")]
    Active,
    #[error("the export is {0}, so it cannot be canceled")]
    NotCancelable(ExportStatus),
    #[error("the export is {0}, so it cannot be retried")]
    NotRetryable(ExportStatus),
    #[error("the Idempotency-Key was used with a different request")]
    IdempotencyMismatch,
    #[error("the export or the link has expired")]
    Expired,
    #[error("the request body is too large")]
    PayloadTooLarge,
    #[error("the range starts after the end of the file, which has {size} bytes")]
    RangeNotSatisfiable { size: u64 },
    /// Shared by all requests of one batch.
    #[error("a database query failed")]
    Database(#[source] Arc<DatabaseError>),
    #[error("a query of the source database failed")]
    Source(#[from] SourceError),
    #[error("an object store request failed")]
    Store(#[source] StoreError),
    /// The file of a completed export differs from its row.
    #[error("the file of export {id} is damaged: {reason}")]
    FileDamaged { id: ExportId, reason: String },
    #[error("the database schema is not current")]
    Schema(#[source] MigrationState),
    #[error("a database role lacks rights")]
    Rights(#[source] MissingRights),
    /// The dependencies were not available since the start.
    #[error("the service is starting and waits for its dependencies")]
    Starting,
    #[error("the request exceeded its timeout of {seconds} s")]
    TimedOut { seconds: u64 },
    /// All connections that the project may use are in use.
    #[error(
        "the project uses its share of the connection pool, and no connection became free within {seconds} s"
    )]
    PoolShareTimedOut { seconds: u64 },
    #[error("a limit is exceeded: {0}")]
    Limited(Exceeded),
    #[error("the file has {MAX_READERS} running downloads")]
    TooManyReaders,
    #[error("{MAX_ESTIMATES} estimates are running")]
    TooManyEstimates,
    /// The panic hook has logged the panic.
    #[error("the handler panicked")]
    Panicked,
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        match error {
            // Its keys are deleted too, but may be in the cache.
            DatabaseError::ProjectDeleted => Self::Unauthorized,
            error => Self::Database(Arc::new(error)),
        }
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
            Self::ScopeTooNarrow { .. } | Self::ProjectSuspended => ErrorCode::Forbidden,
            Self::InvalidSignature => ErrorCode::InvalidSignature,
            Self::ExportNotFound | Self::WebhookNotFound | Self::RouteNotFound => {
                ErrorCode::NotFound
            }
            Self::MethodNotAllowed => ErrorCode::MethodNotAllowed,
            Self::Active => ErrorCode::ExportActive,
            Self::NotCancelable(_) | Self::NotRetryable(_) => ErrorCode::ExportNotActive,
            Self::IdempotencyMismatch => ErrorCode::IdempotencyMismatch,
            Self::TooManyWebhooks => ErrorCode::TooManyWebhooks,
            Self::Expired => ErrorCode::ExportExpired,
            Self::PayloadTooLarge => ErrorCode::PayloadTooLarge,
            Self::RangeNotSatisfiable { .. } => ErrorCode::RangeNotSatisfiable,
            Self::Database(error) if error.is_transient() => ErrorCode::Unavailable,
            Self::Source(error) if error.is_transient() => ErrorCode::Unavailable,
            Self::Store(error) if error.is_transient() => ErrorCode::Unavailable,
            Self::Limited(_) | Self::TooManyReaders | Self::TooManyEstimates => {
                ErrorCode::RateLimited
            }
            Self::Schema(_)
            | Self::Rights(_)
            | Self::Starting
            | Self::TimedOut { .. }
            | Self::PoolShareTimedOut { .. } => ErrorCode::Unavailable,
            Self::Database(_)
            | Self::Source(_)
            | Self::Store(_)
            | Self::FileDamaged { .. }
            | Self::Panicked => ErrorCode::InternalError,
        }
    }

    /// The message for the consumer: the problem and what to do, nothing internal.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Invalid(message) => message.clone(),
            Self::Limited(exceeded) => exceeded.to_string(),
            Self::NotReady(status) => not_ready(*status),
            Self::NotCancelable(status) => {
                format!(
                    "the export is {status}: only a pending or processing export can be canceled"
                )
            }
            Self::NotRetryable(status) => {
                format!("the export is {status}: only a failed or expired export can be retried")
            }
            Self::ScopeTooNarrow { needed } => {
                format!("this needs a key with the scope {needed}")
            }
            Self::ProjectSuspended => "the project is suspended: contact support".to_owned(),
            Self::RouteNotFound => "Route not found".to_owned(),
            Self::WebhookNotFound => "Webhook not found".to_owned(),
            Self::TooManyReaders => format!(
                "the limit of downloads of one file at a time is {MAX_READERS}: try again when one has ended"
            ),
            Self::TooManyEstimates => {
                format!("the limit of estimates at a time is {MAX_ESTIMATES}: try again in 1 s")
            }
            Self::RangeNotSatisfiable { size } => {
                format!("the range starts after the end of the file, which has {size} bytes")
            }
            Self::Database(error) if error.is_read_only() => {
                "the service is read-only at the moment: try again later".to_owned()
            }
            Self::EndpointNotFound
            | Self::Unauthorized
            | Self::InvalidSignature
            | Self::ExportNotFound
            | Self::MethodNotAllowed
            | Self::Active
            | Self::IdempotencyMismatch
            | Self::TooManyWebhooks
            | Self::Expired
            | Self::PayloadTooLarge
            | Self::Database(_)
            | Self::Source(_)
            | Self::Store(_)
            | Self::FileDamaged { .. }
            | Self::Schema(_)
            | Self::Rights(_)
            | Self::Starting
            | Self::TimedOut { .. }
            | Self::PoolShareTimedOut { .. }
            | Self::Panicked => self.code().message().to_owned(),
        }
    }

    fn headers(&self) -> HeaderMap {
        match self {
            Self::Limited(exceeded) => limits::headers(exceeded),
            Self::TooManyReaders => too_many("file-downloads", MAX_READERS, 5),
            Self::TooManyEstimates => too_many("estimates", MAX_ESTIMATES, 1),
            _ => self.header().into_iter().collect(),
        }
    }

    /// The header of every other error. The router adds `Allow`.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthorized => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            // Digits, a slash and a star are a valid header value.
            Self::RangeNotSatisfiable { size } => {
                let value = HeaderValue::try_from(format!("bytes */{size}")).ok()?;
                Some((CONTENT_RANGE, value))
            }
            _ if self.code() == ErrorCode::Unavailable => {
                Some((RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)))
            }
            _ => None,
        }
    }

    /// Logs a defect of the service (500) with its full chain. Errors of the consumer (4xx) are not logged. Neither is an
    /// unavailable dependency (503): [`exports_service::outage`] logs its outage once.
    pub(crate) fn log(&self) {
        if self.code() == ErrorCode::InternalError && !matches!(self, Self::Panicked) {
            tracing::error!(error = error_line(self), "request failed");
        }
    }

    /// Why the service was unavailable (503), for the one log line of the request.
    pub(crate) fn cause_for_request_line(&self) -> Option<String> {
        (self.code() == ErrorCode::Unavailable).then(|| error_line(self))
    }
}

/// `Retry-After`, and the headers of draft-ietf-httpapi-ratelimit-headers-10. Nothing says exactly when one of those that run
/// ends.
fn too_many(name: &str, most: usize, retry_after_s: u64) -> HeaderMap {
    let value = |text: String| {
        HeaderValue::try_from(text).expect("quotes, letters and digits are a valid header value")
    };
    HeaderMap::from_iter([
        (RETRY_AFTER, HeaderValue::from(retry_after_s)),
        (
            HeaderName::from_static("ratelimit-policy"),
            value(format!("\"{name}\";q={most}")),
        ),
        (
            HeaderName::from_static("ratelimit"),
            value(format!("\"{name}\";r=0;t={retry_after_s}")),
        ),
    ])
}

fn not_ready(status: ExportStatus) -> String {
    let advice = match status {
        ExportStatus::Pending | ExportStatus::Processing => {
            "get it again until its status is completed"
        }
        ExportStatus::Failed => "see its error_message, and create a new export",
        ExportStatus::Completed | ExportStatus::Expired => "get it again",
    };
    format!("the export is {status}: {advice}")
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.code().status(), self.headers()).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn errors_expose_no_internal_details_and_have_their_headers() {
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
    fn client_text_is_escaped_and_truncated() {
        assert_eq!(quoted("a\"b\n\u{1b}"), r#""a\"b\n\u{1b}""#);
        let long = quoted(&"é".repeat(1000));
        assert_eq!(long.chars().count(), 64 + 3);
    }
}
