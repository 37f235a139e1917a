//! How objects of the API are read and printed.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::output::print;
use crate::table::printable;

const INVALID: &str = "the response of the API is invalid";

pub(super) fn id_of(object: &Value) -> Result<String> {
    let id = object["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| Error::new(format!("{INVALID}: an object has no id")))
}

pub(super) fn parse<T: DeserializeOwned>(object: &Value) -> Result<T> {
    T::deserialize(object).context(INVALID)
}

/// One line per field, or the JSON.
pub(super) fn show(object: &Value, json: bool) -> Result<()> {
    if json {
        return print(&object.to_string());
    }
    let Value::Object(fields) = object else {
        return Err(Error::new(INVALID));
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
