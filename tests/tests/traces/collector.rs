//! A collector of traces: it takes OTLP over HTTP and keeps the spans.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use exports_tests::{TIMEOUT, eventually};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use tokio::net::TcpListener;

/// A span that has arrived. Ids are in hex; a span without a parent has an empty `parent`.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedSpan {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) has_failed: bool,
    attributes: Vec<KeyValue>,
}

/// A running collector.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    url: String,
    state: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    spans: Vec<ReceivedSpan>,
    headers: HeaderMap,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::<Mutex<Received>>::default();
        let routes = Router::new()
            .route("/v1/traces", post(receive))
            .with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, state }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The headers of the last request.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.state.lock().expect("no panic").headers.clone()
    }

    pub(crate) fn spans(&self) -> Vec<ReceivedSpan> {
        self.state.lock().expect("no panic").spans.clone()
    }

    /// Waits until a trace has spans with all these names.
    pub(crate) async fn trace(&self, id: &str, names: &[&str]) -> Vec<ReceivedSpan> {
        eventually(&format!("trace {id} has {names:?}"), TIMEOUT, async || {
            let mut spans = self.spans();
            spans.retain(|span| span.trace == id);
            let has = |name: &&str| spans.iter().any(|span| span.name == **name);
            names.iter().all(has).then_some(spans)
        })
        .await
    }
}

async fn receive(
    State(state): State<Arc<Mutex<Received>>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).expect("an OTLP request");
    let mut state = state.lock().expect("no panic");
    state.headers = headers;
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.expect("a resource");
        let service = text(&resource.attributes, "service.name").expect("a name");
        for span in of_resource.scope_spans.into_iter().flat_map(|it| it.spans) {
            state.spans.push(ReceivedSpan {
                service: service.clone(),
                name: span.name,
                trace: hex::encode(span.trace_id),
                id: hex::encode(span.span_id),
                parent: hex::encode(span.parent_span_id),
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                has_failed: span.status.is_some_and(|status| status.code == 2),
                attributes: span.attributes,
            });
        }
    }
    StatusCode::OK
}

impl ReceivedSpan {
    /// An attribute as text.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        text(&self.attributes, name)
    }
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.clone() {
        Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) => Some(text),
        Some(AnyValue {
            value: Some(Value::IntValue(number)),
        }) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}
