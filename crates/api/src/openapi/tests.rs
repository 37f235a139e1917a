//! Tests of the OpenAPI document.

use serde_json::{Value, json};

use super::*;
use crate::error_code::ErrorCode;

fn value() -> Value {
    serde_json::from_slice(&document("https://example.com")).unwrap()
}

/// Every operation with its path.
fn operations(document: &Value) -> Vec<(&String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().values();
            operations.map(move |operation| (path, operation))
        })
        .collect()
}

#[test]
fn the_document_is_openapi_3_1_and_has_every_operation() {
    let document = value();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["servers"][0]["url"], "https://example.com");
    assert_eq!(operations(&document).len(), 24);
    assert_eq!(
        document["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
}

#[test]
fn every_response_has_the_request_id_and_every_error_the_envelope() {
    let document = value();
    for (path, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let place = format!("{path} {status}");
            for name in ["X-Request-Id", "Cache-Control", "X-Content-Type-Options"] {
                assert!(response["headers"][name].is_object(), "{place} {name}");
            }
            if status.as_str() >= "400" {
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ErrorResponse", "{place}");
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ProblemDetails", "{place}");
            }
        }
    }
}

#[test]
fn only_routes_under_v1_document_bearer_authentication() {
    let document = value();
    for (path, operation) in operations(&document) {
        let needs_key = path.starts_with("/v1");
        assert_eq!(
            operation["security"][0]["bearer"].is_array(),
            needs_key,
            "{path}"
        );
        let responses = &operation["responses"];
        assert_eq!(responses["401"].is_object(), needs_key, "{path}");
        assert_eq!(
            responses["503"].is_object(),
            needs_key || path == "/readyz" || path.starts_with("/files")
        );
    }
}

#[test]
fn every_error_code_is_documented() {
    let document = value().to_string();
    for code in ErrorCode::ALL {
        assert!(
            document.contains(&format!("`{}`", code.as_str())),
            "{code:?}"
        );
    }
}

#[test]
fn the_export_schema_has_its_required_fields_and_no_nullable_field() {
    let document = value();
    let schema = &document["components"]["schemas"]["Export"];
    let required: Vec<_> = schema["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(
        required,
        [
            "id",
            "project_id",
            "status",
            "direction",
            "filter_start_time",
            "filter_end_time",
            "attempt",
            "created_at"
        ]
    );
    for (name, property) in schema["properties"].as_object().unwrap() {
        let is_enum = property["$ref"].is_string();
        assert!(
            is_enum || property["type"].is_string(),
            "{name}: {property}"
        );
    }
    let create = &document["components"]["schemas"]["CreateExport"];
    assert_eq!(create["required"], json!(["start_time", "end_time"]));
}

#[test]
fn a_parameter_has_one_type_and_some_have_defaults() {
    let document = value();
    let mut defaults = Vec::new();
    for (path, operation) in operations(&document) {
        let parameters = operation.get("parameters");
        let parameters = parameters.map(|it| it.as_array().expect("a list"));
        for parameter in parameters.into_iter().flatten() {
            let (name, schema) = (&parameter["name"], &parameter["schema"]);
            let is_enum = schema["$ref"].is_string();
            assert!(is_enum || schema["type"].is_string(), "{path} {name}");
            if !schema["default"].is_null() {
                defaults.push((path.as_str(), name.as_str().unwrap()));
            }
        }
    }
    let expected = [
        ("/v1/exports", "limit"),
        ("/v1/exports/{id}/download", "redirect"),
    ];
    assert_eq!(defaults, expected);
}
