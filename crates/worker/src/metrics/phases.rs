//! Where an attempt's time goes.

use std::sync::Arc;
use std::time::Instant;

use crate::metrics::{Phase, WorkerMetrics};

/// Runs through the phases of one attempt; each begins where the one before ended.
pub(crate) struct PhaseClock {
    metrics: Arc<WorkerMetrics>,
    since: Instant,
}

impl PhaseClock {
    /// The first phase after the queue began at the claim.
    pub(crate) fn start(metrics: Arc<WorkerMetrics>, claimed_at: Instant) -> Self {
        Self {
            metrics,
            since: claimed_at,
        }
    }

    /// A phase ends now.
    pub(crate) fn ended(&mut self, phase: Phase) {
        let now = Instant::now();
        let seconds = now.duration_since(self.since).as_secs_f64();
        self.metrics.phases.observe(phase, seconds);
        self.since = now;
    }
}
