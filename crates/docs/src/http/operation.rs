//! One operation: its parameters, its body and its responses.

use std::fmt::Write;

use serde_json::Value;

use super::schema::type_of;
use crate::markdown::{cell, code, code_cell, escape};

/// In every response, or in every response of a kind: the introduction of the page names them.
const COMMON_HEADERS: [&str; 5] = [
    "X-Request-Id",
    "Cache-Control",
    "X-Content-Type-Options",
    "X-Trace-Id",
    "Vary",
];
/// The body of every error.
const ERROR: &str = "#/components/schemas/ErrorResponse";

pub(super) fn operation(document: &Value, method: &str, path: &str, value: &Value) -> String {
    let summary = value["summary"].as_str().unwrap_or(path);
    let mut text = format!(
        "\n### {summary}\n\n`{} {path}`\n",
        method.to_ascii_uppercase()
    );
    if value["security"].as_array().is_none_or(Vec::is_empty) {
        text.push_str("\nNeeds no key.\n");
    }
    if let Some(description) = value["description"].as_str() {
        write!(text, "\n{}\n", lower_headings(&escape(description))).expect("a string grows");
    }
    text.push_str(&parameters(document, &value["parameters"]));
    text.push_str(&body(&value["requestBody"]));
    text.push_str(&responses(document, &value["responses"]));
    text
}

/// A description has headings of its own; the operation is a heading of the third level.
fn lower_headings(description: &str) -> String {
    let lines = description.trim().lines().map(|line| {
        if line.starts_with('#') {
            format!("**{}**", line.trim_start_matches('#').trim())
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn parameters(document: &Value, parameters: &Value) -> String {
    let parameters = parameters.as_array().into_iter().flatten();
    let rows: Vec<_> = parameters
        .map(|given| {
            let parameter = resolve(document, given);
            let name = parameter["name"].as_str().unwrap_or_default();
            let place = parameter["in"].as_str().unwrap_or_default();
            let required = if parameter["required"] == true {
                "required"
            } else {
                "optional"
            };
            let meaning = parameter["description"].as_str().unwrap_or_default();
            format!(
                "| {} | {place}, {required} | {} | {} |",
                code_cell(name),
                type_of(&parameter["schema"]),
                cell(meaning)
            )
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n| parameter | where | type | meaning |\n|---|---|---|---|\n{}\n",
        rows.join("\n")
    )
}

fn body(body: &Value) -> String {
    let contents = body["content"].as_object().into_iter().flatten();
    let types: Vec<_> = contents
        .map(|(media, content)| format!("{} ({})", type_of(&content["schema"]), code(media)))
        .collect();
    if types.is_empty() {
        return String::new();
    }
    format!("\nBody: {}\n", types.join(" or "))
}

fn responses(document: &Value, responses: &Value) -> String {
    let responses = responses.as_object().into_iter().flatten();
    let rows: Vec<_> = responses
        .map(|(status, given)| {
            let response = resolve(document, given);
            let meaning = cell(response["description"].as_str().unwrap_or_default());
            format!(
                "| {status} | {} | {} | {meaning} |",
                contents(response),
                headers(response)
            )
        })
        .collect();
    format!(
        "\n| status | body | headers | when |\n|---|---|---|---|\n{}\n",
        rows.join("\n")
    )
}

/// The type of the body, and the media type unless it is JSON. Empty for errors, whose bodies are the same everywhere.
fn contents(response: &Value) -> String {
    if response["content"]["application/json"]["schema"]["$ref"] == ERROR {
        return String::new();
    }
    let contents = response["content"].as_object().into_iter().flatten();
    let types: Vec<_> = contents
        .map(|(media, content)| {
            let schema = type_of(&content["schema"]);
            match media.as_str() {
                "application/json" => schema,
                media => format!("{} {schema}", code(media)).trim_end().to_owned(),
            }
        })
        .collect();
    types.join(", ")
}

fn headers(response: &Value) -> String {
    let headers = response["headers"].as_object().into_iter().flatten();
    let names: Vec<_> = headers
        .map(|(name, _)| name.as_str())
        .filter(|name| !COMMON_HEADERS.contains(name))
        .map(code)
        .collect();
    names.join(", ")
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
    reference
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}
