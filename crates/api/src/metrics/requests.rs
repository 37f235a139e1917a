//! The layer that measures every request, around all others.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::metrics::ApiMetrics;

/// The layer.
pub(crate) async fn measure(
    State(metrics): State<Arc<ApiMetrics>>,
    request: Request,
    next: Next,
) -> Response {
    let mut measured = Measured::begin(metrics, &request);
    let response = next.run(request).await;
    measured.status = Some(response.status());
    response
}

/// A request under way. It is counted when this is dropped: that is also what happens to one whose
/// client hangs up.
struct Measured {
    metrics: Arc<ApiMetrics>,
    began: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
    status: Option<StatusCode>,
}

impl Measured {
    fn begin(metrics: Arc<ApiMetrics>, request: &Request) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics,
            began: Instant::now(),
            method: method_label(request.method()),
            route: request.extensions().get().cloned(),
            status: None,
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let route = route_label(self.route.as_ref().map(MatchedPath::as_str));
        let status = self.status.as_ref().map_or("abandoned", StatusCode::as_str);
        self.metrics
            .durations
            .with_label_values(&[self.method, route, status])
            .observe(self.began.elapsed().as_secs_f64());
        self.metrics.in_flight.dec();
    }
}

/// Anybody can invent methods; there is one label for all of these.
fn method_label(method: &Method) -> &'static str {
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

/// The template, never the path. The routes that catch what is not there are no routes to whoever
/// looks at a dashboard.
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
    fn labels_are_not_the_client_s_to_choose() {
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
