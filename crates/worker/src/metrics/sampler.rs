//! The metrics that a scrape reads from the database: the queue, the webhooks, and whether the database is available.

use std::time::Duration;

use exports_database::{Database, QueueDepth, WebhookHealth};
use exports_service::metrics::{DatabaseMetrics, Gauges, Label, Registry, Sample};

/// Timeout of the query. Scrapes usually have a timeout of a few seconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the queue depth at each scrape.
pub(crate) struct Sampler {
    database: Database,
    metrics: DatabaseMetrics,
    exports: Gauges<QueueState>,
    oldest_age: Gauges<QueueState>,
    webhook_age: Gauges<WebhookState>,
}

#[derive(Debug, Clone, Copy, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
enum QueueState {
    Pending,
    Retrying,
    Processing,
}

#[derive(Debug, Clone, Copy, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
enum WebhookState {
    Due,
    Failing,
}

impl Label for WebhookState {
    const NAME: &'static str = "state";
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
            webhook_age: registry.gauges(
                "exports_webhook_oldest_age_seconds",
                "How long the oldest delivery to a working webhook has been due (due), and for how long every \
                 attempt to an enabled webhook has failed, of the one that fails for the longest time \
                 (failing). 0 if there is none.",
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

impl Sampler {
    fn set_webhooks(&self, health: Option<WebhookHealth>) {
        match health {
            Some(WebhookHealth { late, failing }) => {
                let ages = [(WebhookState::Due, late), (WebhookState::Failing, failing)];
                for (label, age) in ages {
                    self.webhook_age.set(label, age.as_secs_f64());
                }
            }
            None => self.webhook_age.clear(),
        }
    }
}

impl Sample for Sampler {
    async fn sample(&self) {
        let queries =
            async { tokio::join!(self.database.queue_depth(), self.database.webhook_health()) };
        let answered = tokio::time::timeout(TIMEOUT, queries).await.ok();
        let (depth, webhooks) = answered.map_or((None, None), |(depth, webhooks)| {
            (depth.ok(), webhooks.ok())
        });
        self.set_webhooks(webhooks);
        if let Some(depth) = &depth {
            self.set_queue(depth);
        } else {
            self.exports.clear();
            self.oldest_age.clear();
        }
        self.metrics.set(depth.is_some(), self.database.pool_use());
    }
}
