//! What a worker counts and measures: its claims, attempts, files and sweeps, and on each scrape
//! the queue.
//!
//! Nothing here is touched per row: rows and bytes are counted when an export is completed, bytes
//! on their way when a part has arrived.

mod labels;
mod phases;
mod sampler;

use exports_database::{Claim, FinishedFile};
use exports_domain::FailureCode;
use exports_service::metrics::{Counters, Histograms, IntCounter, IntGauge, Registry};

pub(crate) use labels::{Cause, Outcome, Phase, SweepResult, UploadOperation};
pub(crate) use phases::PhaseClock;
pub(crate) use sampler::Sampler;

/// From an export of no rows to one that takes as long as it may, in seconds.
const PHASE_BOUNDS: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0,
    21600.0,
];

/// The metrics of a worker's own work.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    pub(crate) claims: IntCounter,
    pub(crate) takeovers: IntCounter,
    pub(crate) leases_lost: IntCounter,
    pub(crate) running: IntGauge,
    pub(crate) attempts: Counters<Outcome>,
    pub(crate) retries: Counters<Cause>,
    pub(crate) failures: Counters<Cause>,
    pub(crate) rows_written: IntCounter,
    pub(crate) bytes_written: IntCounter,
    pub(crate) bytes_uploaded: IntCounter,
    pub(crate) phases: Histograms<Phase>,
    pub(crate) upload_failures: Counters<UploadOperation>,
    pub(crate) janitor: JanitorMetrics,
}

/// The metrics of its janitor.
#[derive(Debug)]
pub(crate) struct JanitorMetrics {
    pub(crate) sweeps: Counters<SweepResult>,
    pub(crate) expired: IntCounter,
    pub(crate) exhausted: IntCounter,
    pub(crate) objects_deleted: IntCounter,
    pub(crate) deletions_failed: IntCounter,
    pub(crate) records_pruned: IntCounter,
}

impl WorkerMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        registry.counter_of(
            "exports_log_lines_lost_total",
            "Lines of the log that could not be written, or that nobody read in time.",
            exports_service::logging::log_lines_lost,
        );
        let counter = |name, help| registry.counter(name, help);
        Self {
            claims: counter("exports_claims_total", "Exports taken from the queue, takeovers included."),
            takeovers: counter(
                "exports_takeovers_total",
                "Exports taken from another worker, whose lease had ended.",
            ),
            leases_lost: counter(
                "exports_leases_lost_total",
                "Attempts that ended because this worker no longer held the export.",
            ),
            running: registry.gauge("exports_running", "Attempts under way in this worker."),
            attempts: registry.counters("exports_attempts_total", "Attempts that ended, by how."),
            retries: registry.counters(
                "exports_retries_total",
                "Attempts that failed and are repeated later, by cause.",
            ),
            failures: registry.counters(
                "exports_failures_total",
                "Exports that failed for good, by cause; those that a janitor failed included.",
            ),
            rows_written: counter("exports_rows_written_total", "Rows of completed exports."),
            bytes_written: counter("exports_bytes_written_total", "Bytes of completed exports' files."),
            bytes_uploaded: counter(
                "exports_bytes_uploaded_total",
                "Bytes that the object store has taken, of attempts that failed later too.",
            ),
            phases: registry.histograms(
                "exports_phase_duration_seconds",
                "Seconds from due to claim (queued), from claim to the source's first row (first_row), \
                 from there to its last (streaming), and until the store has the whole file \
                 (upload_completion).",
                &PHASE_BOUNDS,
            ),
            upload_failures: registry.counters(
                "exports_upload_failures_total",
                "Requests to the object store that failed, repetitions included, by what was asked for.",
            ),
            janitor: JanitorMetrics::new(registry),
        }
    }

    pub(crate) fn claimed(&self, claim: &Claim) {
        self.claims.inc();
        if claim.taken_over {
            self.takeovers.inc();
        }
        self.phases
            .observe(Phase::Queued, claim.waited.as_secs_f64());
    }

    pub(crate) fn completed(&self, facts: &FinishedFile) {
        self.rows_written.inc_by(facts.row_count);
        self.bytes_written.inc_by(facts.size_bytes);
    }

    /// Counts an attempt that ended in one of the ways which have a cause.
    pub(crate) fn failed(&self, outcome: Outcome, code: FailureCode) {
        match outcome {
            Outcome::Retried => self.retries.inc(Cause(code)),
            Outcome::Failed => self.failures.inc(Cause(code)),
            Outcome::Completed | Outcome::Released | Outcome::LeaseLost | Outcome::Unknown => {}
        }
    }

    pub(crate) fn ended(&self, outcome: Outcome) {
        self.attempts.inc(outcome);
        if outcome == Outcome::LeaseLost {
            self.leases_lost.inc();
        }
    }
}

impl JanitorMetrics {
    fn new(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help);
        Self {
            sweeps: registry.counters(
                "exports_janitor_sweeps_total",
                "Rounds of the janitor, by whether they came to their end.",
            ),
            expired: counter(
                "exports_janitor_expired_total",
                "Exports whose file's time was over.",
            ),
            exhausted: counter(
                "exports_janitor_exhausted_total",
                "Exports failed because their last attempt ended without a word.",
            ),
            objects_deleted: counter(
                "exports_janitor_objects_deleted_total",
                "Objects deleted from the store; a lost attempt's is deleted twice.",
            ),
            deletions_failed: counter(
                "exports_janitor_deletions_failed_total",
                "Objects that could not be deleted; they are taken up again a minute later.",
            ),
            records_pruned: counter(
                "exports_janitor_records_pruned_total",
                "Old records of exports that were deleted.",
            ),
        }
    }
}

/// Counts an attempt as running for as long as it lives.
pub(crate) struct Running(IntGauge);

impl Running {
    pub(crate) fn begin(metrics: &WorkerMetrics) -> Self {
        metrics.running.inc();
        Self(metrics.running.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}
