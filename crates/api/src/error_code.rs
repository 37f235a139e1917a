//! The error codes of the API, with their status and texts.

use axum::http::StatusCode;

/// The machine-readable code of an error, in the order of the statuses.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorCode {
    InvalidRequest,
    EndpointNotFound,
    ExportNotReady,
    Unauthorized,
    Forbidden,
    InvalidSignature,
    NotFound,
    MethodNotAllowed,
    ExportActive,
    ExportNotActive,
    IdempotencyMismatch,
    TooManyWebhooks,
    ExportExpired,
    PayloadTooLarge,
    RangeNotSatisfiable,
    RateLimited,
    InternalError,
    Unavailable,
}

impl ErrorCode {
    pub(crate) const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    pub(crate) const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name in a response.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::EndpointNotFound | Self::ExportNotReady => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::InvalidSignature => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ExportActive
            | Self::ExportNotActive
            | Self::IdempotencyMismatch
            | Self::TooManyWebhooks => StatusCode::CONFLICT,
            Self::ExportExpired => StatusCode::GONE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The meaning in a few words, for `/openapi.json`.
    pub(crate) const fn summary(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Invalid request",
            Self::EndpointNotFound => "Endpoint not found",
            Self::ExportNotReady => "The export has no file (yet)",
            Self::Unauthorized => "Invalid or missing API key",
            Self::Forbidden => "The key's scope does not allow it, or the project is suspended",
            Self::InvalidSignature => "Invalid link signature",
            Self::NotFound => "Unknown or deleted, or of another project",
            Self::MethodNotAllowed => "Method not allowed",
            Self::ExportActive => "The export is still pending or processing",
            Self::ExportNotActive => "The state of the export does not allow it",
            Self::IdempotencyMismatch => "The key was used with a different request",
            Self::TooManyWebhooks => "The project has 10 webhooks",
            Self::ExportExpired => "The export or its link has expired",
            Self::PayloadTooLarge => "The request body is too large",
            Self::RangeNotSatisfiable => "The range starts after the end of the file",
            Self::RateLimited => "A limit of the key or of the project is reached",
            Self::InternalError => "Internal error of the service",
            Self::Unavailable => "A dependency is unavailable",
        }
    }

    /// The message, or an example where the message depends on the case: the problem and what to do, nothing internal.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::InvalidRequest => "payload must be valid JSON",
            Self::EndpointNotFound => "endpoint not found",
            Self::ExportNotReady => {
                "the export is pending: get it again until its status is completed"
            }
            Self::Unauthorized => "Invalid or missing API key",
            Self::Forbidden => "this needs a key with the scope write",
            Self::InvalidSignature => {
                "invalid link signature: request a new link from the download endpoint of the export"
            }
            Self::NotFound => "Export not found",
            Self::MethodNotAllowed => "method not allowed: see the Allow header",
            Self::ExportActive => {
                "the export is pending or processing: delete it after it has completed or failed"
            }
            Self::ExportNotActive => {
                "the export is completed: only a pending or processing export can be canceled"
            }
            Self::IdempotencyMismatch => {
                "this Idempotency-Key was used with a different request: use a new key"
            }
            Self::TooManyWebhooks => {
                "a project has at most 10 webhooks: delete one that is no longer needed"
            }
            Self::ExportExpired => {
                "the export or its link has expired: request a new link, or create a new export"
            }
            Self::PayloadTooLarge => "the request body must be 64 KiB (65536 bytes) or less",
            Self::RangeNotSatisfiable => {
                "the range starts after the end of the file, which has 1024000 bytes"
            }
            Self::RateLimited => "the limit of requests per API key is 200/s: try again in 1 s",
            Self::InternalError => "internal error: contact support with the request id",
            Self::Unavailable => "the service is temporarily unavailable: try again later",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_sorted_by_status() {
        assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.status()));
        assert_eq!(ErrorCode::InvalidRequest.as_str(), "INVALID_REQUEST");
    }
}
