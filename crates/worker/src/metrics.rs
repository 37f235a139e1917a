//! The metrics of a worker: claims, attempts, files, sweeps, and the queue at each scrape.
//!
//! Nothing is counted per row: rows and bytes are counted when an export is completed, uploaded bytes when
//! the store has a part.

mod labels;
mod phases;
mod sampler;

use exports_database::{Claim, FinishedFile};
use exports_domain::FailureCode;
use exports_service::metrics::{Counters, Histograms, IntCounter, IntGauge, Registry};

pub(crate) use labels::{DeliveryOutcome, Outcome, Phase, SweepResult, UploadOperation};
pub(crate) use phases::PhaseClock;
pub(crate) use sampler::Sampler;

/// In seconds: from an export without rows up to the default maximum duration.
const PHASE_BOUNDS: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0,
    21600.0,
];

/// The metrics of the claim loop and its attempts.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    pub(crate) claims: IntCounter,
    pub(crate) takeovers: IntCounter,
    pub(crate) leases_lost: IntCounter,
    pub(crate) running: IntGauge,
    pub(crate) slots_reserved: IntGauge,
    pub(crate) attempts: Counters<Outcome>,
    pub(crate) retries: Counters<FailureCode>,
    pub(crate) failures: Counters<FailureCode>,
    pub(crate) rows_written: IntCounter,
    pub(crate) bytes_written: IntCounter,
    pub(crate) bytes_uploaded: IntCounter,
    pub(crate) phases: Histograms<Phase>,
    pub(crate) upload_failures: Counters<UploadOperation>,
    pub(crate) janitor: JanitorMetrics,
    pub(crate) webhooks: WebhookMetrics,
}

/// The metrics of the janitor.
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
        let counter = |name, help| registry.counter(name, help);
        Self {
            claims: counter("exports_claims_total", "Exports claimed from the queue, including takeovers."),
            takeovers: counter(
                "exports_takeovers_total",
                "Exports claimed after the lease of another worker had expired.",
            ),
            leases_lost: counter(
                "exports_leases_lost_total",
                "Attempts that ended because the lease was lost.",
            ),
            running: registry.gauge("exports_running", "Running attempts of this worker."),
            slots_reserved: registry.gauge(
                "exports_slots_reserved",
                "1 while the only free slot of this worker is the one that is reserved for the first export \
                 of a project that has none running; otherwise 0.",
            ),
            attempts: registry.counters("exports_attempts_total", "Finished attempts, by outcome."),
            retries: registry.counters(
                "exports_retries_total",
                "Failed attempts that are retried, by cause.",
            ),
            failures: registry.counters(
                "exports_failures_total",
                "Failed exports, by cause, including those that the janitor failed.",
            ),
            rows_written: counter("exports_rows_written_total", "Rows of completed exports."),
            bytes_written: counter("exports_bytes_written_total", "Bytes of the files of completed exports."),
            bytes_uploaded: counter(
                "exports_bytes_uploaded_total",
                "Bytes uploaded to the object store, including those of attempts that failed later.",
            ),
            phases: registry.histograms(
                "exports_phase_duration_seconds",
                "Duration of the phases of an export: from due to claim (queued), from claim to the first \
                 row (first_row), from the first to the last row (streaming), and until the upload is \
                 completed (upload_completion).",
                &PHASE_BOUNDS,
            ),
            upload_failures: registry.counters(
                "exports_upload_failures_total",
                "Failed requests to the object store, including retries, by operation.",
            ),
            janitor: JanitorMetrics::new(registry),
            webhooks: WebhookMetrics::new(registry),
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

    pub(crate) fn completed(&self, file: &FinishedFile) {
        self.rows_written.inc_by(file.row_count);
        self.bytes_written.inc_by(file.size_bytes);
    }

    /// Counts the cause of an attempt that was retried or failed.
    pub(crate) fn failed(&self, outcome: Outcome, code: FailureCode) {
        match outcome {
            Outcome::Retried => self.retries.inc(code),
            Outcome::Failed => self.failures.inc(code),
            Outcome::Completed
            | Outcome::Released
            | Outcome::SlotReturned
            | Outcome::Canceled
            | Outcome::LeaseLost
            | Outcome::Unknown => {}
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
                "Sweeps of the janitor, by result.",
            ),
            expired: counter("exports_janitor_expired_total", "Expired exports."),
            exhausted: counter(
                "exports_janitor_exhausted_total",
                "Exports failed because the lease of their last attempt expired.",
            ),
            objects_deleted: counter(
                "exports_janitor_objects_deleted_total",
                "Objects deleted from the store; the object of a lost attempt is deleted twice.",
            ),
            deletions_failed: counter(
                "exports_janitor_deletions_failed_total",
                "Failed deletions of objects; each is retried a minute later.",
            ),
            records_pruned: counter(
                "exports_janitor_records_pruned_total",
                "Old export records that were deleted.",
            ),
        }
    }
}

/// The metrics of webhooks.
#[derive(Debug)]
pub(crate) struct WebhookMetrics {
    pub(crate) deliveries: Counters<DeliveryOutcome>,
    pub(crate) forbidden: IntCounter,
    pub(crate) disabled: IntCounter,
}

impl WebhookMetrics {
    fn new(registry: &Registry) -> Self {
        Self {
            deliveries: registry.counters(
                "exports_webhook_deliveries_total",
                "Attempts to deliver webhooks, by outcome.",
            ),
            forbidden: registry.counter(
                "exports_webhook_forbidden_total",
                "Attempts to deliver webhooks that were refused because the address is not public.",
            ),
            disabled: registry.counter(
                "exports_webhooks_disabled_total",
                "Webhooks that were disabled because their receiver is gone or failed for 5 days.",
            ),
        }
    }
}

/// Counts an attempt as running until it is dropped.
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
