//! `GET /metrics`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Mutex;

use crate::metrics::registry::Registry;

/// Text format 0.0.4, which every Prometheus supports.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// A sample is reused for this time, however often the metrics are scraped.
const SAMPLE_TTL: Duration = Duration::from_secs(1);

/// Updates the metrics whose values must be queried.
pub trait Sample: Send + Sync + 'static {
    /// Updates them in bounded time, and clears those whose values are unavailable.
    fn sample(&self) -> impl Future<Output = ()> + Send;
}

struct ScrapeState<S> {
    registry: Registry,
    sampler: S,
    /// When the last sample was complete. The lock serializes scrapes: none sees half a sample, and none
    /// repeats the queries of another.
    sampled: Mutex<Option<Instant>>,
}

/// The route `/metrics`.
pub fn routes<S: Sample>(registry: Registry, sampler: S) -> Router {
    let state = ScrapeState {
        registry,
        sampler,
        sampled: Mutex::new(None),
    };
    Router::new()
        .route("/metrics", get(scrape::<S>))
        .with_state(Arc::new(state))
}

async fn scrape<S: Sample>(State(state): State<Arc<ScrapeState<S>>>) -> Response {
    let mut sampled = state.sampled.lock().await;
    if sampled.is_none_or(|at| at.elapsed() >= SAMPLE_TTL) {
        state.sampler.sample().await;
        *sampled = Some(Instant::now());
    }
    match state.registry.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the metrics cannot be rendered: {error}\n"),
        )
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::metrics::label::{Gauges, Label};

    #[derive(Clone, Copy, strum::IntoStaticStr, strum::VariantArray)]
    #[strum(serialize_all = "snake_case")]
    enum Fruit {
        Apple,
        Pear,
    }

    impl Label for Fruit {
        const NAME: &'static str = "fruit";
    }

    /// Has a value at the first sample and none afterwards.
    struct Once {
        samples: Arc<AtomicU32>,
        weights: Gauges<Fruit>,
    }

    impl Sample for Once {
        async fn sample(&self) {
            self.weights.clear();
            if self.samples.fetch_add(1, Ordering::Relaxed) == 0 {
                self.weights.set(Fruit::Pear, 0.5);
            }
        }
    }

    async fn scrape(routes: &Router) -> String {
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let answer = routes.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn counters_start_at_zero_and_gauges_appear_only_with_a_value() {
        let registry = Registry::new("a-program", "1.2.3");
        let eaten = registry.counters::<Fruit>("fruits_eaten_total", "Fruits.");
        let samples = Arc::new(AtomicU32::new(0));
        let once = Once {
            samples: samples.clone(),
            weights: registry.gauges("fruit_weight_kilograms", "Weights."),
        };
        let routes = routes(registry, once);

        let text = self::scrape(&routes).await;
        for line in [
            "exports_build_info{program=\"a-program\",version=\"1.2.3\"} 1\n",
            "fruits_eaten_total{fruit=\"apple\"} 0\n",
            "fruits_eaten_total{fruit=\"pear\"} 0\n",
            "fruit_weight_kilograms{fruit=\"pear\"} 0.5\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("kilograms{fruit=\"apple\"}"), "{text}");

        // Within a second the sample is reused, but counters are current.
        eaten.inc(Fruit::Apple);
        let text = self::scrape(&routes).await;
        assert!(text.contains("fruits_eaten_total{fruit=\"apple\"} 1\n"));
        assert!(text.contains("kilograms{fruit=\"pear\"}"), "{text}");
        assert_eq!(samples.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_gauge_without_a_new_value_disappears() {
        let registry = Registry::new("a-program", "1.2.3");
        let once = Once {
            samples: Arc::default(),
            weights: registry.gauges("fruit_weight_kilograms", "Weights."),
        };
        once.sample().await;
        assert!(registry.text().unwrap().contains("kilograms"));
        once.sample().await;
        assert!(!registry.text().unwrap().contains("kilograms"));
    }
}
