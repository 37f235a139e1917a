//! Measures the phases of an attempt.

use std::sync::Arc;
use std::time::Instant;

use crate::metrics::{Phase, WorkerMetrics};

/// Observes the phases of one attempt; each starts when the phase before it ends.
pub(crate) struct PhaseClock {
    metrics: Arc<WorkerMetrics>,
    phase_start: Instant,
}

impl PhaseClock {
    /// The first phase started with the claim.
    pub(crate) fn start(metrics: Arc<WorkerMetrics>, claimed_at: Instant) -> Self {
        Self {
            metrics,
            phase_start: claimed_at,
        }
    }

    /// Ends a phase now.
    pub(crate) fn ended(&mut self, phase: Phase) {
        let now = Instant::now();
        let seconds = now.duration_since(self.phase_start).as_secs_f64();
        self.metrics.phases.observe(phase, seconds);
        self.phase_start = now;
    }
}
