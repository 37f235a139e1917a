//! The codes of the API: what each is called, its status, what it means.

use axum::http::StatusCode;

/// For programs; the messages are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    InvalidRequest,
    EndpointNotFound,
    ExportNotReady,
    Unauthorized,
    InvalidSignature,
    NotFound,
    MethodNotAllowed,
    ExportActive,
    IdempotencyMismatch,
    ExportExpired,
    PayloadTooLarge,
    RangeNotSatisfiable,
    InternalError,
    Unavailable,
}

impl ErrorCode {
    /// Every code, by status.
    pub(crate) const ALL: [Self; 14] = [
        Self::InvalidRequest,
        Self::EndpointNotFound,
        Self::ExportNotReady,
        Self::Unauthorized,
        Self::InvalidSignature,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::ExportActive,
        Self::IdempotencyMismatch,
        Self::ExportExpired,
        Self::PayloadTooLarge,
        Self::RangeNotSatisfiable,
        Self::InternalError,
        Self::Unavailable,
    ];

    /// The code as it is sent.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::EndpointNotFound => "ENDPOINT_NOT_FOUND",
            Self::ExportNotReady => "EXPORT_NOT_READY",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::ExportActive => "EXPORT_ACTIVE",
            Self::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Self::ExportExpired => "EXPORT_EXPIRED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::RangeNotSatisfiable => "RANGE_NOT_SATISFIABLE",
            Self::InternalError => "INTERNAL_ERROR",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    /// The status that it comes with.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::EndpointNotFound | Self::ExportNotReady => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::InvalidSignature => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ExportActive | Self::IdempotencyMismatch => StatusCode::CONFLICT,
            Self::ExportExpired => StatusCode::GONE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What it means, in a few words.
    pub(crate) const fn summary(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Invalid request",
            Self::EndpointNotFound => "Endpoint not found",
            Self::ExportNotReady => "There is no file (yet)",
            Self::Unauthorized => "No valid API key",
            Self::InvalidSignature => "Not a link of ours",
            Self::NotFound => "Unknown, deleted or another project's",
            Self::MethodNotAllowed => "No such method here",
            Self::ExportActive => "The export is not at its end",
            Self::IdempotencyMismatch => "The key was used with another request",
            Self::ExportExpired => "The export or its link has expired",
            Self::PayloadTooLarge => "The body is too large",
            Self::RangeNotSatisfiable => "The range begins behind the file's end",
            Self::InternalError => "A failure of the service",
            Self::Unavailable => "Something the service needs is away",
        }
    }

    /// The message that it comes with, or an example where each case has its own: what is wrong
    /// and what to do, nothing internal.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::InvalidRequest => "payload must be valid JSON",
            Self::EndpointNotFound => "endpoint not found",
            Self::ExportNotReady => {
                "the export is pending: get it again until its status is completed"
            }
            Self::Unauthorized => "Invalid or missing API key",
            Self::InvalidSignature => {
                "the link is not valid: ask the export's download route for a new one"
            }
            Self::NotFound => "Export not found",
            Self::MethodNotAllowed => "the method is not allowed here: see the Allow header",
            Self::ExportActive => {
                "the export is pending or processing: delete it once it is completed or failed"
            }
            Self::IdempotencyMismatch => {
                "this Idempotency-Key was used with another request: use a new key"
            }
            Self::ExportExpired => {
                "the export or the link has expired: ask for a new link, or for a new export"
            }
            Self::PayloadTooLarge => "the request body must be 64 KiB (65536 bytes) or less",
            Self::RangeNotSatisfiable => {
                "the range begins behind the end of the file, which has 1024000 bytes"
            }
            Self::InternalError => "the service failed: contact support with the request id",
            Self::Unavailable => "the service is not available: try again later",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_codes_is_complete_and_by_status() {
        let statuses: Vec<_> = ErrorCode::ALL
            .iter()
            .map(|code| code.status().as_u16())
            .collect();
        assert!(statuses.is_sorted(), "{statuses:?}");
        let mut names: Vec<_> = ErrorCode::ALL.map(ErrorCode::as_str).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
