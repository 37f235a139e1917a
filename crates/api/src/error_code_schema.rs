//! The error codes as a named type of `/openapi.json`, so that generators make one type of them.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::error_code::ErrorCode;

/// A type without values that stands for the error codes in the document.
#[derive(Debug)]
pub(crate) struct ErrorCodeSchema;

impl PartialSchema for ErrorCodeSchema {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Machine-readable error code"))
            .enum_values(Some(ErrorCode::NAMES.iter().copied()))
            .build()
            .into()
    }
}

impl ToSchema for ErrorCodeSchema {
    fn name() -> Cow<'static, str> {
        "ErrorCode".into()
    }
}
