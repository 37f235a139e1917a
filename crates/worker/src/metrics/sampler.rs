//! The metrics that a scrape reads from the database: the queue, and whether the database is available.

use std::time::Duration;

use exports_database::{Database, QueueDepth};
use exports_service::metrics::{DatabaseMetrics, Gauges, Label, Registry, Sample};

/// Timeout of the query. Scrapes usually have a timeout of a few seconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the queue depth at each scrape.
pub(crate) struct Sampler {
    database: Database,
    metrics: DatabaseMetrics,
    exports: Gauges<QueueState>,
    oldest_age: Gauges<QueueState>,
}

#[derive(Debug, Clone, Copy, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
enum QueueState {
    Pending,
    Retrying,
    Processing,
}

impl Label for QueueState {
    const NAME: &'static str = "state";
}

impl Sampler {
    pub(crate) fn new(registry: &Registry, database: Database) -> Self {
        Self {
            database,
            metrics: DatabaseMetrics::new(registry),
            exports: registry.gauges(
                "exports_queue_exports",
                "Exports in the queue of all workers: due (pending), waiting for a retry (retrying), held \
                 by a worker (processing).",
            ),
            oldest_age: registry.gauges(
                "exports_queue_oldest_age_seconds",
                "Age of the oldest export in each state: since it was due (pending), since it was created \
                 (retrying), since its attempt started (processing). 0 if there is none.",
            ),
        }
    }

    fn set_queue(&self, depth: &QueueDepth) {
        for (label, state) in [
            (QueueState::Pending, depth.pending),
            (QueueState::Retrying, depth.retrying),
            (QueueState::Processing, depth.processing),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 exports")]
            self.exports.set(label, state.exports as f64);
            self.oldest_age.set(label, state.oldest_age.as_secs_f64());
        }
    }
}

impl Sample for Sampler {
    async fn sample(&self) {
        let depth = tokio::time::timeout(TIMEOUT, self.database.queue_depth()).await;
        let depth = depth.ok().and_then(Result::ok);
        if let Some(depth) = &depth {
            self.set_queue(depth);
        } else {
            self.exports.clear();
            self.oldest_age.clear();
        }
        self.metrics.set(depth.is_some(), self.database.pool_use());
    }
}
