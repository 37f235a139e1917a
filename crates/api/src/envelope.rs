//! The JSON envelopes of all responses: `data` or `error`, and `meta` with the request id.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::error_code_schema::ErrorCodeSchema;
use crate::request_id::RequestId;

/// The response of a request that succeeded. [`crate::openapi`] names the type of each `T`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Envelope<T> {
    data: T,
    meta: Meta,
}

/// About the request
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Meta {
    /// Unique identifier for this request (useful for support)
    request_id: RequestId,
}

impl<T: Serialize> Envelope<T> {
    pub(crate) fn json(id: RequestId, data: T) -> Json<Self> {
        let meta = Meta { request_id: id };
        Json(Self { data, meta })
    }
}

/// The response of a request that failed
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorResponse)]
pub(crate) struct ErrorEnvelope {
    error: ErrorBody,
    meta: Meta,
}

/// What went wrong
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorDetail)]
struct ErrorBody {
    #[schema(value_type = ErrorCodeSchema)]
    code: &'static str,
    /// Human-readable error message
    message: String,
}

impl ErrorEnvelope {
    pub(crate) fn new(id: RequestId, error: &ApiError) -> Self {
        Self {
            error: ErrorBody {
                code: error.code().as_str(),
                message: error.message(),
            },
            meta: Meta { request_id: id },
        }
    }
}
