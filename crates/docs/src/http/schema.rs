//! One type of the API: its fields, or its values.

use std::fmt::Write;

use serde_json::Value;

use crate::markdown::{cell, code, code_cell, escape};

/// The section of a named type.
pub(super) fn schema(name: &str, value: &Value) -> String {
    let mut text = format!("\n### {name}\n");
    if let Some(description) = value["description"].as_str() {
        write!(text, "\n{}\n", escape(description.trim())).expect("a string grows");
    }
    if value["properties"].is_object() {
        text.push_str(&fields(value));
    } else {
        write!(text, "\n{}\n", type_of(value)).expect("a string grows");
    }
    text
}

fn fields(value: &Value) -> String {
    let required: Vec<_> = value["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = value["properties"].as_object().into_iter().flatten();
    let rows: Vec<_> = properties
        .map(|(name, property)| {
            let is_required = if required.contains(&name.as_str()) {
                "always"
            } else {
                "optional"
            };
            let meaning = property["description"].as_str().unwrap_or_default();
            format!(
                "| {} | {} | {is_required} | {} |",
                code_cell(name),
                type_of(property),
                cell(meaning)
            )
        })
        .collect();
    format!(
        "\n| field | type | present | meaning |\n|---|---|---|---|\n{}\n",
        rows.join("\n")
    )
}

/// A type in a few words, with the rules that the schema has for it.
pub(super) fn type_of(value: &Value) -> String {
    if let Some(reference) = value["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_ascii_lowercase());
    }
    for alternatives in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = value[alternatives].as_array() {
            let parts: Vec<_> = parts.iter().filter(|part| part["type"] != "null").collect();
            let joint = if alternatives == "allOf" {
                " and "
            } else {
                " or "
            };
            let types: Vec<_> = parts.into_iter().map(type_of).collect();
            return types.join(joint);
        }
    }
    if let Some(values) = value["enum"].as_array() {
        let values: Vec<_> = values.iter().map(literal).collect();
        return values.join(", ");
    }
    if !value["const"].is_null() {
        return literal(&value["const"]);
    }
    let kind = match &value["type"] {
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    let mut text = match kind {
        Some("array") => format!("list of {}", type_of(&value["items"])),
        Some(kind) => kind.to_owned(),
        None => "any".to_owned(),
    };
    text.push_str(&rules(value));
    text
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => code_cell(&text.replace('\t', "\\t")),
        other => code(&other.to_string()),
    }
}

fn rules(value: &Value) -> String {
    let mut rules = Vec::new();
    if let Some(format) = value["format"].as_str() {
        rules.push(format.to_owned());
    }
    for (minimum, maximum, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ] {
        match (&value[minimum], &value[maximum]) {
            (Value::Null, Value::Null) => {}
            (least, Value::Null) if *least == 1 && !unit.is_empty() => {
                rules.push("not empty".to_owned());
            }
            (least, Value::Null) => rules.push(format!("at least {least}{unit}")),
            (Value::Null, most) => rules.push(format!("at most {most}{unit}")),
            (least, most) => rules.push(format!("{least} to {most}{unit}")),
        }
    }
    if let Some(default) = value.get("default") {
        rules.push(format!("default {}", literal(default)));
    }
    match rules.as_slice() {
        [] => String::new(),
        rules => format!(" ({})", rules.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_described_in_a_few_words() {
        for (schema, expected) in [
            (
                json!({"type": "string", "format": "date-time"}),
                "string (date-time)",
            ),
            (
                json!({"type": ["integer", "null"], "minimum": 1, "maximum": 500, "default": 500}),
                "integer (1 to 500, default `500`)",
            ),
            (
                json!({"type": "array", "items": {"$ref": "#/components/schemas/Column"}}),
                "list of [Column](#column)",
            ),
            (json!({"enum": ["\t", "|"]}), "`\\t`, `\\|`"),
            (
                json!({"type": "string", "minLength": 1}),
                "string (not empty)",
            ),
            (
                json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Csv"}]}),
                "[Csv](#csv)",
            ),
        ] {
            assert_eq!(type_of(&schema), expected);
        }
    }
}
