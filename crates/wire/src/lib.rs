//! The JSON of the HTTP contract that more than one program writes: responses of the API and bodies of
//! webhooks.

mod export_json;
mod file_options;
mod progress_json;
mod schema_enums;

pub use export_json::ExportJson;
pub use file_options::CsvOptionsJson;
pub use schema_enums::{
    ColumnSchema, CompressionSchema, DelimiterSchema, DirectionSchema, ExportStatusSchema,
    FileFormatSchema, LineEndingSchema, MessageStatusSchema,
};
