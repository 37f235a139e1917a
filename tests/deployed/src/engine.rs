//! The Docker engine: whether there is one, whether it has the images, and the client for what
//! testcontainers does not do.

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

/// Whether stories can be told here. Where no engine answers, says so in one line that nothing
/// captures; in CI that is a failure.
pub(crate) fn is_there() -> bool {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let reason = REASON.get_or_init(|| {
        let reason = why_not()?;
        let line = format!("SKIPPED: every end-to-end test in containers, since {reason}\n");
        // Not by `eprint`, whose output the test harness keeps to itself.
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

/// By the command line, which also the guardian needs.
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

/// A client that speaks a version which this engine knows. testcontainers' own is the same one.
pub(crate) async fn docker() -> Docker {
    let docker = docker_client_instance().await.expect("a Docker client");
    let negotiated = docker.negotiate_version().await;
    negotiated.expect("the Docker engine answers")
}

/// Panics with what to do unless every image is there.
pub(crate) async fn assert_images() {
    for image in [POSTGRES, GARAGE, API, WORKER, EXPORTCTL] {
        let found = docker().await.inspect_image(&descriptor(image)).await;
        if let Err(error) = found {
            panic!(
                "the image {} is not there; run `make images` ({error})",
                descriptor(image)
            );
        }
    }
}

/// Everything that the engine tells of our images: what `docker inspect` prints.
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
