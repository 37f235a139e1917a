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

/// Text format 0.0.4: what every Prometheus reads.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// However often somebody scrapes, what has to be asked for is asked for once in this time.
const FRESH: Duration = Duration::from_secs(1);

/// Brings those metrics up to date whose values have to be asked for.
pub trait Sample: Send + Sync + 'static {
    /// Does so, in bounded time; what cannot be learned is left out of the scrape.
    fn sample(&self) -> impl Future<Output = ()> + Send;
}

struct Scraped<S> {
    registry: Registry,
    sampler: S,
    /// When the last sample was complete. Scrapes wait for each other here, so that none sees half
    /// a sample and none asks for what another has just learned.
    sampled: Mutex<Option<Instant>>,
}

/// A router with `/metrics`.
pub fn routes<S: Sample>(registry: Registry, sampler: S) -> Router {
    let scraped = Scraped {
        registry,
        sampler,
        sampled: Mutex::new(None),
    };
    Router::new()
        .route("/metrics", get(scrape::<S>))
        .with_state(Arc::new(scraped))
}

async fn scrape<S: Sample>(State(scraped): State<Arc<Scraped<S>>>) -> Response {
    let mut sampled = scraped.sampled.lock().await;
    if sampled.is_none_or(|at| at.elapsed() >= FRESH) {
        scraped.sampler.sample().await;
        *sampled = Some(Instant::now());
    }
    match scraped.registry.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the metrics cannot be written: {error}\n"),
        )
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::metrics::label::{Gauges, Label};

    #[derive(Clone, Copy)]
    enum Fruit {
        Apple,
        Pear,
    }

    impl Label for Fruit {
        const NAME: &'static str = "fruit";
        const ALL: &'static [Self] = &[Self::Apple, Self::Pear];

        fn value(self) -> Cow<'static, str> {
            match self {
                Self::Apple => "apple".into(),
                Self::Pear => "pear".into(),
            }
        }
    }

    /// Knows a value the first time, and nothing from then on.
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
    async fn counters_are_there_from_the_start_and_gauges_while_they_are_known() {
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

        // Within the second nothing is asked for anew, but what is counted is told at once.
        eaten.inc(Fruit::Apple);
        let text = self::scrape(&routes).await;
        assert!(text.contains("fruits_eaten_total{fruit=\"apple\"} 1\n"));
        assert!(text.contains("kilograms{fruit=\"pear\"}"), "{text}");
        assert_eq!(samples.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_is_no_longer_known_is_no_longer_told() {
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
