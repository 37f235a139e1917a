//! The delivery of a webhook is the end of the trace that a create began.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use exports_tests::{TIMEOUT, eventually};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::collector::Collector;
use crate::{TRACE, create, one, traced, traceparent};

/// A receiver, and the header `traceparent` of each delivery.
async fn receiver() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let received: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&received);
    let receive = move |headers: HeaderMap| async move {
        let position = headers["traceparent"].to_str().unwrap().to_owned();
        log.lock().unwrap().push(position);
        StatusCode::NO_CONTENT
    };
    let routes = Router::new().route("/webhook", post(receive));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, received)
}

#[tokio::test]
async fn a_delivery_is_a_span_of_the_trace_and_its_receiver_can_continue_it() {
    let collector = Collector::start().await;
    let (url, received) = receiver().await;
    let fixture = traced(collector.url())
        .env("EXPORTS_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8")
        .start()
        .await;
    let api = fixture.api();
    let webhook = api.request(Method::POST, "/v1/export-webhooks");
    let registered = api.send(webhook.json(&json!({ "url": url }))).await;
    assert_eq!(registered.status, 201);
    create(&fixture, &[&traceparent("01")]).await;

    let names = ["POST /v1/exports", "export", "complete", "webhook"];
    let spans = collector.trace(TRACE, &names).await;
    let delivery = one(&spans, "webhook");
    assert_eq!(delivery.parent, one(&spans, "POST /v1/exports").id);
    assert_eq!(delivery.service, "exports-worker");
    let status = delivery.attribute("http.response.status_code");
    assert_eq!(status.as_deref(), Some("204"));
    let position = eventually("the delivery has arrived", TIMEOUT, async || {
        received.lock().unwrap().first().cloned()
    })
    .await;
    assert_eq!(position, format!("00-{TRACE}-{}-01", delivery.id));
}
