//! The JSON of the HTTP contract that more than one program writes: responses of the API and bodies of
//! webhooks.

mod export_files;
mod export_json;
mod file_options;
mod manifest;
mod progress_json;
mod schema_enums;

pub use export_files::FileJson;
pub use export_json::ExportJson;
pub use file_options::CsvOptionsJson;
pub use manifest::{KeyError, ManifestJson, ManifestKey, ManifestPublicKey, signed_bytes};
pub use schema_enums::{
    ColumnSchema, CompressionSchema, DelimiterSchema, DirectionSchema, ExportStatusSchema,
    FileFormatSchema, LineEndingSchema, MessageStatusSchema,
};
