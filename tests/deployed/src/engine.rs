//! The Docker engine: its availability, the images, and a client for what testcontainers does not support.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use testcontainers::bollard::Docker;
use testcontainers::core::client::docker_client_instance;

/// Name and tag of each image, as the deployment names them.
pub(crate) const POSTGRES: (&str, &str) = ("postgres", "15-bookworm");
pub(crate) const GARAGE: (&str, &str) = ("dxflrs/garage", "v2.4.1");
pub(crate) const API: (&str, &str) = ("exports-api", "dev");
pub(crate) const WORKER: (&str, &str) = ("exports-worker", "dev");
pub(crate) const EXPORTCTL: (&str, &str) = ("exportctl", "dev");

/// Whether the tests can run. Without an engine, one line on standard error says so; in CI that is a failure.
pub(crate) fn is_there() -> bool {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let reason = REASON.get_or_init(|| {
        let reason = why_not()?;
        let line = format!("SKIPPED: every end-to-end test in containers, since {reason}\n");
        // Not `eprint`: the test runner captures it.
        let _ = std::io::stderr().write_all(line.as_bytes());
        Some(reason)
    });
    let Some(reason) = reason else { return true };
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "the end-to-end tests must not be skipped in CI: {reason}"
    );
    false
}

/// Runs the `docker` command, which the reaper needs too.
fn why_not() -> Option<String> {
    let asked = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .output();
    match asked {
        Ok(answer) if answer.status.success() => None,
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.stderr);
            let last = said
                .lines()
                .last()
                .unwrap_or("it gave no reason")
                .to_owned();
            Some(format!("no Docker engine answers: {last}"))
        }
        Err(error) => Some(format!("`docker` cannot be run: {error}")),
    }
}

/// A client with an API version of this engine, the one that testcontainers uses.
pub(crate) async fn docker() -> Docker {
    let docker = docker_client_instance().await.expect("a Docker client");
    let negotiated = docker.negotiate_version().await;
    negotiated.expect("the Docker engine answers")
}

/// Panics if an image is missing; the message says how to build it.
pub(crate) async fn assert_images() {
    for image in [POSTGRES, GARAGE, API, WORKER, EXPORTCTL] {
        let found = docker().await.inspect_image(&descriptor(image)).await;
        if let Err(error) = found {
            panic!(
                "the image {} is missing: run `make images` ({error})",
                descriptor(image)
            );
        }
    }
}

/// The details of the service's images, as `docker inspect` prints them.
pub async fn image_details() -> Vec<Value> {
    let mut details = Vec::new();
    for image in [API, WORKER, EXPORTCTL] {
        let found = docker().await.inspect_image(&descriptor(image)).await;
        let found = found.expect("the image is there");
        details.push(serde_json::to_value(found).expect("JSON"));
    }
    details
}

fn descriptor((name, tag): (&str, &str)) -> String {
    format!("{name}:{tag}")
}
