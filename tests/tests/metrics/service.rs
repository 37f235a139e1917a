//! A service whose metrics are scraped.

use exports_tests::{Fixture, FixtureBuilder, Message, Process, Scrape, TIMEOUT, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// The variables that a worker needs to be scraped.
pub(crate) const WORKER: (&str, &str) = ("EXPORTS_HEALTH_LISTEN", "127.0.0.1:0");

/// A fixture that is scraped, API and workers.
pub(crate) fn scraped() -> FixtureBuilder {
    Fixture::builder()
        .worker_env(WORKER.0, WORKER.1)
        .api_env("EXPORTS_METRICS_LISTEN", "127.0.0.1:0")
}

/// The address of a worker's metrics.
pub(crate) async fn of_worker(fixture: &mut Fixture, number: usize) -> String {
    let process = fixture.worker_process(number);
    let address = address(process, "health listening").await;
    // It listens before its dependencies are available.
    process.wait_for_event("worker started").await;
    address
}

/// The address of the API's metrics.
pub(crate) async fn of_api(fixture: &mut Fixture) -> String {
    address(fixture.api_process(), "metrics listening").await
}

async fn address(process: &mut Process, event: &str) -> String {
    let event = process.wait_for_event(event).await;
    event["address"].as_str().expect("an address").to_owned()
}

/// Scrapes until a series has this value.
pub(crate) async fn eventually_tells(
    address: &str,
    name: &str,
    labels: &[(&str, &str)],
    value: f64,
) -> Scrape {
    let fact = format!("{name} with {labels:?} is {value}");
    eventually(&fact, TIMEOUT, async || {
        let scrape = Scrape::of(address).await;
        let found = scrape.find(name, labels);
        let sum: f64 = found.iter().map(|series| series.value).sum();
        (!found.is_empty() && is(sum, value)).then_some(scrape)
    })
    .await
}

/// Compares two integers that a float represents exactly.
pub(crate) fn is(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

/// Creates an export of the messages of a day, and returns its id.
pub(crate) async fn ask_for(fixture: &Fixture, day: &str) -> String {
    let range = json!({
        "start_time": format!("{day}T00:00:00Z"),
        "end_time": format!("{day}T23:59:59Z"),
    });
    let export = fixture.create_export(range).await;
    export["id"].as_str().expect("an id").to_owned()
}

/// The fixture and its metrics after some exports and requests.
pub(crate) struct Busy {
    pub(crate) fixture: Fixture,
    pub(crate) worker: Scrape,
    pub(crate) api: Scrape,
    /// The export that was completed.
    pub(crate) completed: Value,
    /// The one that failed.
    pub(crate) failed: String,
}

/// Runs one export of three rows that completes, one that fails, requests that are rejected, and one
/// request while the database is unavailable.
pub(crate) async fn busy(builder: FixtureBuilder) -> Busy {
    let mut fixture = builder.database_proxy().start().await;
    let (worker, api) = (of_worker(&mut fixture, 0).await, of_api(&mut fixture).await);
    let project = fixture.project().to_owned();
    let message = |at| Message::outbound(&project).at(at);
    let unwritable = message("2025-12-05T12:00:00Z").with("delivered_at", "infinity");
    let three = [(); 3].map(|()| message("2025-12-03T12:00:00Z"));
    // A source table of the operator may contain values that the service's table rejects.
    let unchecked = "ALTER TABLE messages DROP CONSTRAINT messages_delivered_at_check";
    fixture.database().execute(unchecked).await;
    fixture.insert_messages(&three).await;
    fixture.insert_messages(&[unwritable]).await;

    let id = ask_for(&fixture, "2025-12-03").await;
    let completed = fixture.wait_until(&id, "completed").await;
    let failed = ask_for(&fixture, "2025-12-05").await;
    fixture.wait_until(&failed, "failed").await;
    refusals(&fixture).await;
    let proxy = fixture.database_proxy();
    proxy.make_unavailable();
    let _ = fixture.api().get("/v1/exports").await.expect(503);
    proxy.restore();

    eventually_tells(&worker, "exports_database_up", &[], 1.0).await;
    // The attempt ends shortly after its export.
    let worker = eventually_tells(&worker, "exports_running", &[], 0.0).await;
    let api = eventually_tells(&api, "exports_database_up", &[], 1.0).await;
    Busy {
        fixture,
        worker,
        api,
        completed,
        failed,
    }
}

/// Invalid requests with arbitrary paths, methods and keys.
async fn refusals(fixture: &Fixture) {
    let api = fixture.api();
    let invented = Method::from_bytes(b"INVENTED").expect("a method");
    let _ = api.without_key().get("/v1/exports").await.expect(401);
    let _ = api.get("/v1/no-such-thing?secret=1").await.expect(404);
    let _ = api.get("/somewhere/else").await.expect(404);
    let _ = api
        .send(api.request(invented, "/v1/exports"))
        .await
        .expect(405);
    let _ = api.post("/v1/exports", &json!({})).await.expect(400);
    let _ = api
        .get("/v1/exports/01935abc-def0-7123-4567-890abcdef012")
        .await
        .expect(404);
}
