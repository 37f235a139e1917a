//! `/openapi.json` and linters.

use std::collections::BTreeSet;

use exports_tests::Fixture;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::tools::{run, text, tool};

/// What openapi-spec-validator says; empty if the document is valid. None, with a message, if it is not installed.
async fn errors(document: &Value) -> Option<String> {
    let validator = tool("openapi-spec-validator")?;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("openapi.json");
    std::fs::write(&path, document.to_string()).unwrap();
    let mut validate = Command::new(validator);
    let validate = validate.args(["--schema", "3.1"]);
    let output = run(validate.arg(&path)).await;
    let said = text(&output.stdout) + &text(&output.stderr);
    Some(if output.status.success() {
        String::new()
    } else {
        said
    })
}

#[tokio::test]
async fn openapi_spec_validator_finds_no_error() {
    let fixture = Fixture::builder().workers(0).start().await;
    let document = fixture.api().get("/openapi.json").await.expect(200).json();
    let Some(found) = errors(&document).await else {
        return;
    };
    assert_eq!(found, "");
    let mut broken = document.clone();
    broken["paths"]["/v1/exports/{id}"]["get"]["parameters"] = Value::Array(Vec::new());
    let found = errors(&broken).await.unwrap();
    assert!(
        found.contains("'id'"),
        "it sees a missing parameter: {found}"
    );
}

/// Rules that Spectral, Redocly and vacuum recommend beyond the specification. The programs themselves are not used: they need npm
/// or Go.
#[tokio::test]
async fn the_document_follows_the_rules_that_linters_recommend() {
    let fixture = Fixture::builder().workers(0).start().await;
    let document = fixture.api().get("/openapi.json").await.expect(200).json();
    assert_eq!(advice(&document), Vec::<String>::new());

    let mut broken = document.clone();
    broken["tags"] = Value::Null;
    broken["paths"]["/v1/exports"]["get"]["summary"] = "".into();
    broken["paths"]["/v1/exports"]["get"]["parameters"][0]["description"] = Value::Null;
    broken["components"]["schemas"]["Unused"] = serde_json::json!({"type": "object"});
    let found = advice(&broken);
    for expected in [
        "/v1/exports get has no summary",
        "/v1/exports get has an undeclared tag",
        "/v1/exports get limit has no description",
        "Unused is not used",
        "Unused has no description",
    ] {
        assert!(found.iter().any(|it| it == expected), "{found:#?}");
    }
}

fn advice(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let described = |value: &Value, place: &str, field: &str| {
        let text = value[field].as_str().unwrap_or_default();
        (text.trim().is_empty()).then(|| format!("{place} has no {field}"))
    };
    let tags = document["tags"].as_array().into_iter().flatten();
    let tags: BTreeSet<_> = tags.map(|tag| tag["name"].as_str()).collect();
    for tag in document["tags"].as_array().into_iter().flatten() {
        found.extend(described(tag, "a tag", "description"));
    }
    for field in ["title", "version", "description"] {
        found.extend(described(&document["info"], "info", field));
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        if path.ends_with('/') || path.contains('?') {
            found.push(format!("{path} has a slash at its end, or a query"));
        }
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{path} {method}");
            for field in ["summary", "description", "operationId"] {
                found.extend(described(operation, &place, field));
            }
            if !tags.contains(&operation["tags"][0].as_str()) {
                found.push(format!("{place} has an undeclared tag"));
            }
            let parameters = operation["parameters"].as_array();
            for parameter in parameters.into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap_or_default();
                found.extend(described(
                    parameter,
                    &format!("{place} {name}"),
                    "description",
                ));
            }
        }
    }
    let text = document.to_string();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if !text.contains(&format!("\"#/components/schemas/{name}\"")) {
            found.push(format!("{name} is not used"));
        }
        found.extend(described(schema, name, "description"));
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            if property.get("$ref").is_none() {
                found.extend(described(
                    property,
                    &format!("{name} {field}"),
                    "description",
                ));
            }
        }
    }
    found
}
