//! A client that openapi-python-client makes of `/openapi.json`.

use std::path::Path;

use exports_tests::{Fixture, Message};
use tempfile::TempDir;
use tokio::process::Command;

use crate::tools::{run, text, tool};

fn file(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_has_all_operations_and_works() {
    let (Some(generator), Some(python)) = (tool("openapi-python-client"), tool("python")) else {
        return;
    };
    let fixture = Fixture::builder().start().await;
    let pool = fixture.database().pool();
    Message::insert_many(pool, fixture.project(), "2025-12-03T12:00:00Z", 2_500).await;
    let document = fixture.api().get("/openapi.json").await.expect(200);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("openapi.json");
    std::fs::write(&path, &document.body).unwrap();
    let client = folder.path().join("client");

    // The generator formats its code with ruff, which is next to it.
    let mut path_variable = generator.parent().unwrap().as_os_str().to_owned();
    path_variable.push(":");
    path_variable.push(std::env::var_os("PATH").unwrap());
    let mut generate = Command::new(generator);
    let generate = generate
        .args(["generate", "--fail-on-warning", "--meta", "none", "--path"])
        .arg(&path)
        .arg("--config")
        .arg(file("../docs/clients/openapi-python-client.yaml"))
        .arg("--output-path")
        .arg(client.join("message_exports_client"))
        .env("PATH", path_variable);
    let output = run(generate).await;
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.to_lowercase().contains("warning"), "{said}");

    let mut use_it = Command::new(python);
    let use_it = use_it
        .arg(file("tests/clients/generated.py"))
        .args([fixture.api().base(), fixture.key()])
        .env("PYTHONPATH", &client)
        .env("no_proxy", "127.0.0.1");
    let output = run(use_it).await;
    assert!(output.status.success(), "{}", text(&output.stderr));

    let document = document.json();
    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|item| item.as_object().unwrap().values());
    for operation in operations {
        let id = operation["operationId"].as_str().unwrap();
        let tag = operation["tags"][0].as_str().unwrap().to_lowercase();
        let module = format!("message_exports_client/api/{tag}/{id}.py");
        assert!(client.join(&module).is_file(), "{module}");
    }
}
