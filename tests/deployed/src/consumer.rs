//! A consumer of the API, which knows only its contract.

use std::time::{Duration, Instant};

use exports_tests::{Client, Reply, TIMEOUT, eventually};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

/// Between two polls of an export.
const POLL: Duration = Duration::from_millis(100);

/// All outbound messages.
#[must_use]
pub fn outbound() -> Value {
    json!({"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-31T00:00:00Z"})
}

/// All inbound messages.
#[must_use]
pub fn inbound() -> Value {
    with(outbound(), "direction", "inbound")
}

/// A request with a further filter.
#[must_use]
pub fn with(mut request: Value, name: &str, value: &str) -> Value {
    request[name] = value.into();
    request
}

/// Creates an export and returns its id. The idempotency key makes retries safe.
pub(crate) async fn create(client: &Client, request: &Value) -> String {
    let key = Uuid::new_v4().to_string();
    let reply = until_answered(client, || {
        let asked = client.request(Method::POST, "/v1/exports").json(request);
        asked.header("Idempotency-Key", &key)
    });
    let export = reply.await.expect(201).data();
    export["id"].as_str().expect("an export's id").to_owned()
}

/// The export.
pub(crate) async fn get(client: &Client, id: &str) -> Value {
    let path = format!("/v1/exports/{id}");
    let reply = until_answered(client, || client.request(Method::GET, &path));
    reply.await.expect(200).data()
}

/// Sends a request, and retries after a 503.
async fn until_answered(client: &Client, request: impl Fn() -> RequestBuilder) -> Reply {
    eventually("the API is available", TIMEOUT, async || {
        let reply = client.send(request()).await;
        (reply.status != 503).then_some(reply)
    })
    .await
}

/// Polls until the export has this status, and returns it. Panics if the export can no longer reach it.
pub(crate) async fn wait_until(client: &Client, id: &str, status: &str) -> Value {
    let begun = Instant::now();
    loop {
        let export = get(client, id).await;
        let now = export["status"].as_str().expect("an export has a status");
        if now == status {
            return export;
        }
        let is_final =
            matches!(now, "failed" | "expired") || (now == "completed" && status != "expired");
        assert!(!is_final, "{status} cannot be reached: {export:#}");
        // A long timeout, because exports survive faults: the store's client retries a refused request for up to three
        // minutes.
        assert!(begun.elapsed() < 4 * TIMEOUT, "not {status}: {export:#}");
        tokio::time::sleep(POLL).await;
    }
}

/// Gets the link and follows it without the key.
pub(crate) async fn download(client: &Client, id: &str) -> Reply {
    let link = link(client, id).await;
    let stranger = client.without_key();
    stranger.get(&link).await.expect(200)
}

/// The download link.
pub(crate) async fn link(client: &Client, id: &str) -> String {
    let path = format!("/v1/exports/{id}/download");
    let reply = client.get(&path).await.expect(302);
    let location = reply.header("location");
    location.expect("a redirect has a `Location`").to_owned()
}
