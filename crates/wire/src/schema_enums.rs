//! The enums of `/openapi.json`: one named type each, so that generators make one type of each.

use std::borrow::Cow;

use exports_domain::{Direction, ExportStatus, MessageStatus};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Defines a type without values that stands for an enum in the document.
macro_rules! schema_enum {
    ($type:ident, $name:literal, $names:expr, $description:literal) => {
        #[doc = $description]
        #[derive(Debug)]
        pub struct $type;

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                names($names, $description).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    };
}

schema_enum!(
    ExportStatusSchema,
    "ExportStatus",
    ExportStatus::NAMES,
    "Export job status: pending: queued for processing; processing: currently generating the CSV; completed: ready for \
     download; failed: generation failed; expired: download link has expired"
);
schema_enum!(
    DirectionSchema,
    "Direction",
    Direction::NAMES,
    "The direction of the messages: outbound (from the project) or inbound (to the project)"
);
schema_enum!(
    MessageStatusSchema,
    "MessageStatus",
    MessageStatus::NAMES,
    "The delivery status of a message: queued: no attempt yet; delivering: an attempt is running; succeeded: delivered; \
     pending_retry: the latest attempt failed, and another one follows; failed_permanent: failed, without further attempts"
);

fn names(names: &[&str], description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(names.iter().copied()))
        .build()
}
