//! Distributed traces: what a collector receives, and what the programs do without one.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod collector;
mod outages;
mod webhook;

use exports_tests::{Fixture, FixtureBuilder, Message, Reply, TIMEOUT, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use collector::{Collector, ReceivedSpan};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";
/// The spans of a completed export.
const SPANS: [&str; 7] = [
    "POST /v1/exports",
    "export",
    "claim",
    "read",
    "encode",
    "upload",
    "complete",
];

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CLIENT_SPAN}-{flags}")
}

fn request() -> Value {
    json!({ "start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-06T23:59:59Z" })
}

/// Programs that send their traces to this collector, soon after they end.
fn traced(collector: &str) -> FixtureBuilder {
    Fixture::builder()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
}

async fn create(fixture: &Fixture, traceparents: &[&str]) -> Reply {
    fixture.insert_one_message().await;
    let api = fixture.api();
    let mut create = api.request(Method::POST, "/v1/exports").json(&request());
    for traceparent in traceparents {
        create = create.header("traceparent", *traceparent);
    }
    api.send(create).await.expect(201)
}

async fn completed(fixture: &Fixture, created: &Reply) -> Value {
    let id = created.data()["id"].as_str().unwrap().to_owned();
    fixture.wait_until(&id, "completed").await
}

async fn stored(fixture: &Fixture) -> Value {
    let sql = "SELECT traceparent FROM exports ORDER BY created_at DESC LIMIT 1";
    fixture.database().value(sql).await
}

#[track_caller]
fn one<'a>(spans: &'a [ReceivedSpan], name: &str) -> &'a ReceivedSpan {
    let mut named = spans.iter().filter(|span| span.name == name);
    let span = named.next().unwrap();
    assert!(named.next().is_none(), "{name} is there twice");
    span
}

#[tokio::test]
async fn an_export_is_one_trace_from_its_client_to_its_completion() {
    let collector = Collector::start().await;
    let fixture = traced(collector.url())
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=secret")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        )
        .start()
        .await;
    fixture
        .insert_messages(&[Message::outbound(fixture.project())])
        .await;
    let created = create(&fixture, &[&traceparent("01")]).await;
    assert_eq!(created.header("x-trace-id"), Some(TRACE));
    let export = completed(&fixture, &created).await;
    assert_eq!(export.get("traceparent"), None, "consumers do not see it");

    let spans = collector.trace(TRACE, &SPANS).await;
    let request = one(&spans, "POST /v1/exports");
    assert_eq!(request.parent, CLIENT_SPAN);
    assert_eq!(request.service, "exports-api");
    let status = request.attribute("http.response.status_code");
    assert_eq!(status.as_deref(), Some("201"));
    let id = request.attribute("exports.request_id");
    assert_eq!(id.as_deref(), created.header("x-request-id"));
    let position = format!("00-{TRACE}-{}-01", request.id);
    assert_eq!(stored(&fixture).await, position);

    let attempt = one(&spans, "export");
    assert_eq!(attempt.parent, request.id);
    let id = attempt.attribute("export.id").unwrap();
    assert_eq!(id, export["id"].as_str().unwrap());
    assert_eq!(attempt.attribute("outcome").as_deref(), Some("completed"));
    for name in &SPANS[2..] {
        let step = one(&spans, name);
        assert_eq!(step.parent, attempt.id, "{name}");
        assert_eq!(step.service, "exports-worker", "{name}");
        let is_inside = attempt.start <= step.start && step.end <= attempt.end;
        assert!(is_inside && step.start <= step.end, "{name}");
    }
    assert!(spans.iter().all(|span| !span.has_failed));
    let complete = one(&spans, "complete");
    assert_eq!(complete.attribute("rows").as_deref(), Some("2"));
    assert!(one(&spans, "claim").end <= one(&spans, "read").start);
    assert!(one(&spans, "upload").end <= complete.start);
    assert_eq!(collector.headers()["x-token"], "secret");
    let logs = fixture.logs();
    assert!(!logs.contains("secret") && !logs.contains("WARN"), "{logs}");
    assert_logged(&fixture, &["request completed", "export completed"]).await;
}

/// Every line with one of these messages has the id of the trace.
async fn assert_logged(fixture: &Fixture, messages: &[&str]) {
    for message in messages {
        eventually(message, TIMEOUT, async || {
            let logs = fixture.logs();
            let events = logs
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let mut events = events.filter(|event: &Value| event["message"] == **message);
            events
                .any(|event| event["span"]["trace_id"] == TRACE)
                .then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_without_a_valid_trace_begins_one() {
    let collector = Collector::start().await;
    let fixture = traced(collector.url())
        .env("OTEL_SERVICE_NAME", "named")
        .start()
        .await;
    let (upper, one_more) = (traceparent("01").to_uppercase(), traceparent("01"));
    for traceparents in [
        &[][..],
        &["nonsense"],
        &[&*upper],
        &[&*one_more, &*one_more],
    ] {
        let created = create(&fixture, traceparents).await;
        let trace = created.header("x-trace-id").unwrap().to_owned();
        assert!(trace.len() == 32 && trace != TRACE, "{trace}");
        completed(&fixture, &created).await;
        let spans = collector.trace(&trace, &SPANS).await;
        assert_eq!(one(&spans, "POST /v1/exports").parent, "");
        assert!(spans.iter().all(|span| span.service == "named"));
    }
    // Probes have no spans.
    let ready = fixture.api().get("/readyz").await.expect(200);
    assert_eq!(ready.header("x-trace-id"), None);
    let _ = fixture.api().get("/nothing").await.expect(404);
    eventually("the last span arrives", TIMEOUT, async || {
        let spans = collector.spans();
        assert!(spans.iter().all(|span| !span.name.contains("readyz")));
        spans.iter().any(|span| span.name == "GET").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_trace_that_its_client_does_not_record_is_not_sent() {
    let collector = Collector::start().await;
    let fixture = traced(collector.url()).start().await;
    let created = create(&fixture, &[&traceparent("00")]).await;
    assert_eq!(created.header("x-trace-id"), Some(TRACE));
    completed(&fixture, &created).await;
    let stored = stored(&fixture).await;
    let stored = stored.as_str().unwrap();
    assert!(stored.starts_with(&format!("00-{TRACE}-")) && stored.ends_with("-00"));
    // A later trace has arrived, so this one would have, too.
    let recorded = create(&fixture, &[]).await;
    let trace = recorded.header("x-trace-id").unwrap().to_owned();
    collector.trace(&trace, &SPANS).await;
    assert!(collector.spans().iter().all(|span| span.trace != TRACE));
}

#[tokio::test]
async fn a_failed_attempt_is_a_failed_span() {
    let collector = Collector::start().await;
    let fixture = traced(collector.url()).start().await;
    let sql = "ALTER TABLE messages RENAME TO hidden";
    fixture.database().execute(sql).await;
    let api = fixture.api();
    let create = api.request(Method::POST, "/v1/exports").json(&request());
    let create = create.header("traceparent", traceparent("01"));
    let _ = api.send(create).await.expect(201);
    let spans = collector.trace(TRACE, &["export", "fail"]).await;
    // There may be a second attempt by now.
    let named = |name| spans.iter().filter(move |span| span.name == name);
    for attempt in named("export") {
        assert!(attempt.has_failed);
        assert_eq!(attempt.attribute("outcome").as_deref(), Some("retried"));
    }
    assert!(named("fail").all(|span| span.has_failed));
    assert_eq!(named("complete").count(), 0);
}

#[tokio::test]
async fn a_trace_passes_through_without_a_collector() {
    let fixture = Fixture::builder().start().await;
    let created = create(&fixture, &[&traceparent("01")]).await;
    assert_eq!(created.header("x-trace-id"), Some(TRACE));
    completed(&fixture, &created).await;
    assert_eq!(stored(&fixture).await, traceparent("01"));
    assert_logged(&fixture, &["request completed", "export completed"]).await;
    for traceparents in [&[][..], &["00-x"]] {
        let created = create(&fixture, traceparents).await;
        assert_eq!(created.header("x-trace-id"), None);
        assert_eq!(stored(&fixture).await, Value::Null);
    }
}
