//! What the API counts and measures of its requests, and the listener that tells it.

mod requests;
mod server;

use exports_service::metrics::{HistogramVec, IntGauge, Registry};

pub(crate) use requests::measure;
pub(crate) use server::MetricsServer;

/// In seconds. No request takes longer than the last.
const DURATION_BOUNDS: [f64; 12] = [
    0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

/// The metrics of the API's own work.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    durations: HistogramVec,
    in_flight: IntGauge,
}

impl ApiMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        registry.counter_of(
            "exports_log_lines_lost_total",
            "Lines of the log that could not be written, or that nobody read in time.",
            exports_service::logging::log_lines_lost,
        );
        Self {
            durations: registry.histogram_family(
                "exports_http_request_duration_seconds",
                "Seconds from a request's head to its answer's, by the path's template and the status \
                 (`abandoned`: the client hung up first).",
                &["method", "route", "status"],
                &DURATION_BOUNDS,
            ),
            in_flight: registry.gauge(
                "exports_http_requests_in_flight",
                "Requests that are not answered yet.",
            ),
        }
    }
}
