//! How an export is printed.

use serde::Deserialize;
use serde_json::Value;

use crate::client::Export;
use crate::error::{Context, Error, Result};
use crate::output::print;
use crate::table::printable;

pub(super) fn id_of(export: &Value) -> Result<String> {
    let id = export["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| Error::new("the API returned an export without an id"))
}

pub(super) fn parse(export: &Value) -> Result<Export> {
    Export::deserialize(export).context("the response of the API is invalid")
}

/// One line per field, or the JSON.
pub(super) fn show(export: &Value, json: bool) -> Result<()> {
    if json {
        return print(&export.to_string());
    }
    let Value::Object(fields) = export else {
        return Err(Error::new("the response of the API is invalid"));
    };
    let lines = fields.iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => printable(text),
            other => other.to_string(),
        };
        format!("{name:28} {value}")
    });
    print(&lines.collect::<Vec<_>>().join("\n"))
}
