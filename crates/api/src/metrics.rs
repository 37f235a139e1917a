//! The metrics of the API.

mod requests;
mod server;

use exports_service::metrics::{HistogramVec, IntGauge, Registry};

pub(crate) use requests::measure;
pub(crate) use server::MetricsServer;

/// Histogram buckets in seconds. The last one is the request timeout.
const DURATION_BOUNDS: [f64; 12] = [
    0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

/// The metrics of HTTP requests.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    durations: HistogramVec,
    in_flight: IntGauge,
}

impl ApiMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        registry.counter_of(
            "exports_log_lines_lost_total",
            "Log lines that were lost because they could not be written in time.",
            exports_service::logging::log_lines_lost,
        );
        Self {
            durations: registry.histogram_family(
                "exports_http_request_duration_seconds",
                "Seconds from the head of the request to the head of the response, by route and status \
                 (`abandoned`: the client disconnected before the response).",
                &["method", "route", "status"],
                &DURATION_BOUNDS,
            ),
            in_flight: registry.gauge(
                "exports_http_requests_in_flight",
                "Requests without a response so far.",
            ),
        }
    }
}
