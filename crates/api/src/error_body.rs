//! The body of an error: the envelope, or problem details (RFC 9457) for clients that prefer them.

use std::sync::Arc;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accept::prefers_problem;
use crate::caching::NO_STORE;
use crate::envelope::ErrorEnvelope;
use crate::error::ApiError;
use crate::error_code_schema::ErrorCodeSchema;
use crate::request_id::RequestId;

/// The media type of problem details.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Problem details (RFC 9457): the body of an error, if `Accept` names `application/problem+json`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDetails {
    /// Identifies the kind of problem: the address of this document with the code as its fragment
    #[serde(rename = "type")]
    #[schema(
        format = "uri",
        example = "https://exports.example.com/openapi.json#NOT_FOUND"
    )]
    kind: String,
    /// The meaning of the code; the same for every error with this code
    #[schema(example = "Unknown or deleted, or of another project")]
    title: &'static str,
    /// The HTTP status
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// Human-readable error message
    #[schema(example = "Export not found")]
    detail: String,
    #[schema(value_type = ErrorCodeSchema)]
    code: &'static str,
    request_id: RequestId,
}

/// Writes the bodies of errors. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct ErrorBodies {
    /// The URL of `/openapi.json`, which describes the codes.
    document: Arc<str>,
}

/// The kind of body that the client of one request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    Envelope,
    ProblemDetails,
}

impl ErrorFormat {
    pub(crate) fn wanted_by(request_headers: &HeaderMap) -> Self {
        if prefers_problem(request_headers) {
            Self::ProblemDetails
        } else {
            Self::Envelope
        }
    }
}

impl ErrorBodies {
    pub(crate) fn new(public_url: &str) -> Self {
        Self {
            document: format!("{public_url}/openapi.json").into(),
        }
    }

    /// The response with the body of this error.
    pub(crate) fn write(
        &self,
        response: Response,
        id: RequestId,
        error: &ApiError,
        format: ErrorFormat,
    ) -> Response {
        let (mut parts, _) = response.into_parts();
        let (body, content_type) = match format {
            ErrorFormat::Envelope => (
                Json(ErrorEnvelope::new(id, error)).into_response(),
                "application/json",
            ),
            ErrorFormat::ProblemDetails => {
                (Json(self.problem(id, error)).into_response(), PROBLEM_JSON)
            }
        };
        let headers = &mut parts.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
        headers.append(VARY, HeaderValue::from_static("accept"));
        Response::from_parts(parts, body.into_body())
    }

    fn problem(&self, id: RequestId, error: &ApiError) -> ProblemDetails {
        let code = error.code();
        ProblemDetails {
            kind: format!("{}#{}", self.document, code.as_str()),
            title: code.summary(),
            status: code.status().as_u16(),
            detail: error.message(),
            code: code.as_str(),
            request_id: id,
        }
    }
}
