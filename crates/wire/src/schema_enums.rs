//! The enums of `/openapi.json`: one named type each, so that generators make one type of each.

use std::borrow::Cow;

use exports_domain::{
    Column, Compression, Delimiter, Direction, ExportStatus, FileFormat, LineEnding, MessageStatus,
};
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
    "Export job status: pending: queued for processing; processing: currently generating the file; completed: ready for \
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
schema_enum!(
    FileFormatSchema,
    "FileFormat",
    FileFormat::NAMES,
    "The format of the file: csv: CSV; jsonl: JSON Lines, one object per row; parquet: Apache Parquet"
);
schema_enum!(
    CompressionSchema,
    "Compression",
    Compression::NAMES,
    "The compression of the file. With csv and jsonl, of the whole file: none, gzip or zstd. With parquet, of its pages: none, \
     gzip, zstd or snappy"
);
schema_enum!(
    ColumnSchema,
    "Column",
    Column::NAMES,
    "A column of the file. endpoint_id and created_at are columns of outbound exports only; inbound_endpoint_id, received_at \
     and total_delivery_ms of inbound exports only"
);
schema_enum!(
    DelimiterSchema,
    "CsvDelimiter",
    Delimiter::NAMES,
    "The character between two fields of a CSV: comma, semicolon, tab or vertical bar"
);
schema_enum!(
    LineEndingSchema,
    "CsvLineEnding",
    LineEnding::NAMES,
    "The end of each record of a CSV: carriage return and line feed, or line feed"
);

fn names(names: &[&str], description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(names.iter().copied()))
        .build()
}
