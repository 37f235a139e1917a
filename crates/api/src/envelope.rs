//! The JSON envelopes of all responses: `data` or `error`, and `meta` with the request id.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::request_id::RequestId;

/// A success.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Envelope<T> {
    data: T,
    meta: Meta,
}

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

/// A failure
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorEnvelope {
    #[schema(inline)]
    error: ErrorBody,
    meta: Meta,
}

#[derive(Debug, Serialize, ToSchema)]
struct ErrorBody {
    /// Machine-readable error code
    #[schema(schema_with = code_schema)]
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

fn code_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Machine-readable error code"))
        .enum_values(Some(ErrorCode::NAMES.iter().copied()))
        .build()
}
