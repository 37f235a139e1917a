//! The id of a request.

use std::fmt;

use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{PartialSchema, ToSchema, openapi};
use uuid::Uuid;

/// The server generates one for each request and puts it into the request's extensions. It never comes from the client, so it is
/// unique and safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId(Uuid);

impl RequestId {
    pub(crate) fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.0.simple())
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for RequestId {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "Unique identifier for this request (useful for support)",
            ))
            .examples(["req_7a1e0f5c9b3d4e2f8a6b1c0d9e8f7a6b"])
            .into()
    }
}

impl ToSchema for RequestId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_has_a_prefix_and_32_hex_digits() {
        let id = RequestId::generate().to_string();
        let digits = id.strip_prefix("req_").unwrap();
        assert_eq!(digits.len(), 32);
        assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(id, RequestId::generate().to_string());
    }
}
