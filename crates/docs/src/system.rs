//! The running system that the reference describes: a private PostgreSQL, `exports-api` and `exports-worker`.

use exports_tests::{Client, Fixture, Process, TIMEOUT, eventually};
use serde_json::{Value, json};

/// Any address: the document names the one that it was requested from.
const LISTEN: &str = "127.0.0.1:0";

/// What the programs say about themselves.
pub(crate) struct System {
    pub(crate) openapi: Value,
    pub(crate) api_metrics: String,
    pub(crate) worker_metrics: String,
}

impl System {
    /// Runs the programs of the target directory until every metric has a series.
    pub(crate) async fn observe() -> Self {
        let builder = Fixture::builder()
            .api_env("EXPORTS_METRICS_LISTEN", LISTEN)
            .worker_env("EXPORTS_HEALTH_LISTEN", LISTEN);
        let mut fixture = builder.start().await;
        let api = address(fixture.api_process(), "metrics listening").await;
        let worker = address(fixture.worker_process(0), "health listening").await;
        fixture
            .worker_process(0)
            .wait_for_event("worker started")
            .await;
        fixture.insert_one_message().await;

        // The histogram of requests has a series for each route that was used.
        let range =
            json!({"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-02T00:00:00Z"});
        let export = fixture.create_export(range).await;
        let id = export["id"].as_str().expect("an id");
        fixture.wait_until(id, "completed").await;

        let openapi = fixture.api().get("/openapi.json").await.expect(200).json();
        let api_metrics = metrics_with(&api, "exports_http_request_duration_seconds").await;
        let worker_metrics = metrics_with(&worker, "exports_queue_exports").await;
        Self {
            openapi,
            api_metrics,
            worker_metrics,
        }
    }
}

async fn address(process: &mut Process, event: &str) -> String {
    let event = process.wait_for_event(event).await;
    event["address"].as_str().expect("an address").to_owned()
}

/// Scrapes until the metric is there.
async fn metrics_with(address: &str, name: &str) -> String {
    eventually(&format!("{address} reports {name}"), TIMEOUT, async || {
        let reply = Client::new(address).get("/metrics").await.expect(200);
        let text = reply.text().to_owned();
        text.contains(name).then_some(text)
    })
    .await
}
