//! The names of the types of responses.
//!
//! utoipa names the schema of `Envelope<Export>` `Envelope_Export`, and copies `Export` into it. Generators would make a second
//! type of it. Here it becomes `ExportResponse`, which refers to `Export`.

use serde_json::{Value, json};

const GENERIC: &str = "Envelope_";
const SCHEMAS: &str = "#/components/schemas/";

pub(super) fn name_envelopes(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut();
    let schemas = schemas.expect("the document has schemas");
    let names: Vec<_> = schemas
        .keys()
        .filter_map(|name| name.strip_prefix(GENERIC))
        .collect();
    let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    for data in names {
        let schema = schemas.remove(&format!("{GENERIC}{data}"));
        let mut schema = schema.expect("the name is from the schemas");
        schema["description"] = json!("The response of a request that succeeded");
        schema["properties"]["data"] = json!({ "$ref": format!("{SCHEMAS}{data}") });
        schemas.insert(response_name(&data), schema);
    }
    rename_references(document);
}

fn response_name(data: &str) -> String {
    format!("{data}Response")
}

fn rename_references(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(data) = reference.strip_prefix(&format!("{SCHEMAS}{GENERIC}"))
            {
                *reference = format!("{SCHEMAS}{}", response_name(data));
            }
            members.values_mut().for_each(rename_references);
        }
        Value::Array(items) => items.iter_mut().for_each(rename_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
