//! `/openapi.json` and linters.

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
