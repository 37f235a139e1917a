//! What a scrape of a worker asks for: the queue, and whether the database answers at all.

use std::borrow::Cow;
use std::time::Duration;

use exports_database::{Database, QueueDepth};
use exports_service::metrics::{DatabaseMetrics, Gauges, Label, Registry, Sample};

/// Longer than this, and whoever scrapes has given up.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the database at each scrape.
pub(crate) struct Sampler {
    database: Database,
    metrics: DatabaseMetrics,
    exports: Gauges<QueueLabel>,
    oldest_age: Gauges<QueueLabel>,
}

#[derive(Debug, Clone, Copy)]
enum QueueLabel {
    Pending,
    Retrying,
    Processing,
}

impl Label for QueueLabel {
    const NAME: &'static str = "state";
    const ALL: &'static [Self] = &[Self::Pending, Self::Retrying, Self::Processing];

    fn value(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Processing => "processing",
        })
    }
}

impl Sampler {
    pub(crate) fn new(registry: &Registry, database: Database) -> Self {
        Self {
            database,
            metrics: DatabaseMetrics::new(registry),
            exports: registry.gauges(
                "exports_queue_exports",
                "Exports in the queue of all workers: due (pending), waiting out the pause before a retry \
                 (retrying), held by a worker (processing).",
            ),
            oldest_age: registry.gauges(
                "exports_queue_oldest_age_seconds",
                "Age of the oldest of them: since it was due, since it was created, since its attempt \
                 began; 0 if there is none.",
            ),
        }
    }

    fn set_queue(&self, depth: &QueueDepth) {
        for (label, state) in [
            (QueueLabel::Pending, depth.pending),
            (QueueLabel::Retrying, depth.retrying),
            (QueueLabel::Processing, depth.processing),
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
