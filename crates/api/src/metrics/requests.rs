//! The metrics of HTTP requests, and the outermost layer, which measures every request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use exports_domain::LimitName;
use exports_service::metrics::{Counters, Gauges, HistogramVec, IntCounter, IntGauge, Registry};
use futures_util::FutureExt;

use super::labels::{KeyLookup, KeyRefusal};
use crate::live::WaiterKind;
use crate::wait::Waited;

/// Histogram buckets in seconds. The last one is the request timeout.
const DURATION_BOUNDS: [f64; 12] = [
    0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

/// The metrics of HTTP requests.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    durations: HistogramVec,
    in_flight: IntGauge,
    /// Requests that were refused because of a limit.
    pub(crate) limited: Counters<LimitName>,
    /// Exports that their consumers have canceled.
    pub(crate) canceled: IntCounter,
    /// Exports that expired early because their files were missing.
    pub(crate) files_missing: IntCounter,
    /// Database queries for API keys.
    pub(crate) key_lookups: Counters<KeyLookup>,
    /// API keys that were refused without a query.
    pub(crate) key_refusals: Counters<KeyRefusal>,
    /// Requests that wait for changes.
    pub(crate) waiters: Gauges<WaiterKind>,
}

impl ApiMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            durations: registry.histogram_family(
                "exports_http_request_duration_seconds",
                "Seconds from the head of the request to the head of the response, by route and status \
                 (`abandoned`: the client disconnected before the response). Without the time that a \
                 request waited because it asked for that.",
                &["method", "route", "status"],
                &DURATION_BOUNDS,
            ),
            in_flight: registry.gauge(
                "exports_http_requests_in_flight",
                "Requests without a response so far.",
            ),
            limited: registry.counters(
                "exports_limited_requests_total",
                "Requests that were answered with 429, by the limit that was reached.",
            ),
            canceled: registry.counter(
                "exports_canceled_total",
                "Exports that were canceled by their consumers while pending or processing.",
            ),
            files_missing: registry.counter(
                "exports_files_missing_total",
                "Completed exports that expired early because a download found no file in the store.",
            ),
            key_lookups: registry.counters(
                "exports_api_key_lookups_total",
                "Database queries for API keys that are not in the cache, by result.",
            ),
            key_refusals: registry.counters(
                "exports_api_key_refusals_total",
                "Well-formed API keys that were refused without a database query, by reason (`remembered`: refused \
                 a moment ago; `budget`: too many unknown keys).",
            ),
            waiters: registry.gauges(
                "exports_open_waiters",
                "Requests that wait for changes of exports, by kind (`wait`: for a response; `stream`: event streams).",
            ),
        }
    }
}

/// The layer.
pub(crate) fn measure(
    State(metrics): State<Arc<ApiMetrics>>,
    request: Request,
    next: Next,
) -> impl Future<Output = Response> {
    let measurement = Measurement::begin(metrics, &request);
    next.run(request)
        .inspect(move |response| measurement.complete(response))
}

/// A request in progress. `drop` records it, which also happens when the client disconnects.
struct Measurement {
    metrics: Arc<ApiMetrics>,
    started: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
    status: Option<StatusCode>,
    waited: Duration,
}

impl Measurement {
    fn begin(metrics: Arc<ApiMetrics>, request: &Request) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics,
            started: Instant::now(),
            method: method_label(request.method()),
            route: request.extensions().get().cloned(),
            status: None,
            waited: Duration::ZERO,
        }
    }

    fn complete(mut self, response: &Response) {
        self.status = Some(response.status());
        self.waited = Waited::of(response);
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        let route = route_label(self.route.as_ref().map(MatchedPath::as_str));
        let status = self.status.as_ref().map_or("abandoned", StatusCode::as_str);
        self.metrics
            .durations
            .with_label_values(&[self.method, route, status])
            .observe((self.started.elapsed().saturating_sub(self.waited)).as_secs_f64());
        self.metrics.in_flight.dec();
    }
}

/// Clients can send any method. All unknown methods share one label.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The template of the route, never the path. The catch-all routes count as unmatched.
fn route_label(template: Option<&str>) -> &str {
    match template {
        None | Some("/v1" | "/v1/" | "/v1/{*rest}") => "unmatched",
        Some(template) => template,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_cannot_create_labels() {
        assert_eq!(method_label(&Method::DELETE), "DELETE");
        for invented in ["PROPFIND", "get", "X"] {
            let method = Method::from_bytes(invented.as_bytes()).unwrap();
            assert_eq!(method_label(&method), "other");
        }
        assert_eq!(route_label(Some("/v1/exports/{id}")), "/v1/exports/{id}");
        for catch_all in [None, Some("/v1"), Some("/v1/"), Some("/v1/{*rest}")] {
            assert_eq!(route_label(catch_all), "unmatched");
        }
    }
}
