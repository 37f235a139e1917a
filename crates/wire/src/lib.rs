//! The JSON of the HTTP contract that more than one program writes: responses of the API and bodies of
//! webhooks.

mod export_json;
mod progress_json;
mod schema_enums;

pub use export_json::ExportJson;
pub use schema_enums::{DirectionSchema, ExportStatusSchema, MessageStatusSchema};
