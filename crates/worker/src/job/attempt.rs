//! One attempt at an export, from its claim to its recorded outcome.

use std::time::{Duration, Instant};

use exports_database::{Claim, FinishedFile, Leased};
use exports_domain::error_line;
use exports_domain::{FailureCode, RetryPolicy};
use exports_service::traces::{Kind, Span};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::Empty;

use crate::context::{Context, jittered};
use crate::job::export;
use crate::job::heartbeat::Heartbeat;
use crate::job::reporter::Reporter;
use crate::job::time_limit;
use crate::job::{AttemptError, JobError, SharedProgress};
use crate::metrics::{Outcome, PhaseClock, Running};
use crate::pipeline::export_files::ExportFiles;
use crate::slots::{QUICK, Slot};

/// The pause before a completion that could not be recorded is recorded again. It doubles each time.
const COMPLETE_RETRY: Duration = Duration::from_millis(100);
const MAX_COMPLETE_RETRY: Duration = Duration::from_secs(2);
/// How long an answer to a completion is awaited after the lease is lost.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// The limit for the question whether an export was canceled, which only decides what is logged and counted.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// A claimed export.
pub(crate) struct Attempt {
    context: Context,
    claim: Claim,
    claimed_at: Instant,
    slot: Slot,
    /// Its span in the trace of the export.
    trace: Span,
}

impl Attempt {
    /// Must be called as soon as the claim is answered, which ends the span of the claim.
    pub(crate) fn new(context: Context, claim: Claim, claimed_at: Instant, slot: Slot) -> Self {
        let (tracer, parent) = (&context.tracer, claim.traceparent);
        let age = claimed_at.elapsed();
        let mut trace = tracer.span_since("export", Kind::Consumer, parent, age);
        drop(tracer.step_since("claim", &trace, age));
        trace.set_text("export.id", || claim.lease.export.to_string());
        trace.set_text("project.id", || claim.project.to_string());
        trace.set("attempt", i64::from(claim.attempt));
        Self {
            context,
            claim,
            claimed_at,
            slot,
            trace,
        }
    }

    /// Runs until the outcome is recorded. `shutdown` stops the work and releases the export.
    pub(crate) async fn run(mut self, shutdown: &CancellationToken) {
        let span = tracing::info_span!(
            "export",
            export.id = %self.claim.lease.export,
            attempt = self.claim.attempt,
            trace_id = Empty,
        );
        if let Some(trace_id) = self.trace.trace_id() {
            span.record("trace_id", trace_id);
        }
        let _running = Running::begin(&self.context.metrics);
        let progress = SharedProgress::default();
        let reporter = Reporter::start(&self.context, &self.claim, self.claimed_at, &progress);
        let outcome = self
            .run_to_completion(shutdown, progress)
            .instrument(span)
            .await;
        let (changes, export) = (&self.context.changes, self.claim.lease.export);
        changes.announce(&self.claim.project, export);
        reporter.end();
        if outcome == Outcome::Completed {
            self.slot.completed();
        } else {
            self.trace.fail(|| <&str>::from(outcome).to_owned());
        }
        self.trace.set("outcome", <&str>::from(outcome));
        self.context.metrics.ended(outcome);
    }

    async fn run_to_completion(
        &self,
        shutdown: &CancellationToken,
        progress: SharedProgress,
    ) -> Outcome {
        let heartbeat = Heartbeat::start(
            self.context.database.clone(),
            self.claim.lease,
            self.context.settings.lease,
            self.claimed_at,
            progress.clone(),
            self.context.lease_checks.register(self.claim.lease),
        );
        let mut files = ExportFiles::new(&self.context, &self.claim);
        let written = self.write(&heartbeat, shutdown, &progress, &mut files);
        let outcome = match written.await {
            Ok(written) => self.complete(&heartbeat, &written).await,
            Err(AttemptError::LeaseLost) => Outcome::LeaseLost,
            Err(AttemptError::Shutdown) => {
                files.abort().await;
                tracing::info!("the export is released");
                return self.release(Outcome::Released).await;
            }
            Err(AttemptError::SlotReserved) => {
                files.abort().await;
                tracing::info!(
                    "the export is released: it took longer than {QUICK:?} in the slot that is reserved \
                     for other projects"
                );
                return self.release(Outcome::SlotReturned).await;
            }
            Err(AttemptError::Failed(error)) => {
                files.abort().await;
                return self
                    .record_failure(&self.with_missing_rights(error).await)
                    .await;
            }
        };
        // With an unknown outcome the files stay: the export may be completed with them. If it is not, the
        // next claim marks them as pending deletion.
        if outcome == Outcome::LeaseLost {
            files.abort().await;
            return self.lease_lost().await;
        }
        outcome
    }

    /// The lease is lost, and the work has stopped. Finds out whether the consumer has canceled the export.
    async fn lease_lost(&self) -> Outcome {
        let canceled = self.context.database.is_canceled(self.claim.lease.export);
        if let Ok(Ok(true)) = tokio::time::timeout(ASK_LIMIT, canceled).await {
            tracing::info!("the export was canceled, the work stops");
            return Outcome::Canceled;
        }
        tracing::warn!("the lease was lost, the work stops");
        Outcome::LeaseLost
    }

    /// Writes the files, until something stops that.
    async fn write(
        &self,
        heartbeat: &Heartbeat,
        shutdown: &CancellationToken,
        progress: &SharedProgress,
        files: &mut ExportFiles,
    ) -> Result<FinishedFile, AttemptError> {
        let max_duration = self.context.settings.max_duration;
        let mut clock = PhaseClock::start(self.context.metrics.clone(), self.claimed_at);
        tokio::select! {
            biased;
            () = heartbeat.lost() => Err(AttemptError::LeaseLost),
            () = shutdown.cancelled() => Err(AttemptError::Shutdown),
            () = self.slot.must_be_returned() => Err(AttemptError::SlotReserved),
            error = time_limit::reached(max_duration, progress) => Err(error.into()),
            // Boxed: the future is large.
            written = Box::pin(export::write(&self.context, &self.claim, &self.trace, progress, files, &mut clock)) => written,
        }
    }

    /// Records the file. Repeats that while the lease lasts, if the database does not answer.
    async fn complete(&self, heartbeat: &Heartbeat, file: &FinishedFile) -> Outcome {
        let key = &self.claim.object_key;
        let mut trace = self.context.tracer.step("complete", &self.trace);
        trace.set("rows", i64::try_from(file.row_count).unwrap_or(i64::MAX));
        trace.set(
            "size_bytes",
            i64::try_from(file.size_bytes).unwrap_or(i64::MAX),
        );
        let complete = async {
            let mut pause = COMPLETE_RETRY;
            loop {
                let database = &self.context.database;
                match database.complete(self.claim.lease, key, file).await {
                    Ok(completed) => return completed,
                    Err(error) => {
                        let is_unavailable = error.is_unavailable();
                        let error = error_line(&error);
                        if is_unavailable {
                            tracing::debug!(error, "the file could not be recorded");
                        } else {
                            tracing::warn!(error, "the file could not be recorded");
                        }
                    }
                }
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(MAX_COMPLETE_RETRY);
            }
        };
        // After the lease is lost, the answer may be on its way: a heartbeat at the same time finds no lease if
        // the export is completed or canceled.
        let lost = async {
            heartbeat.lost().await;
            tokio::time::sleep(LAST_ANSWER).await;
        };
        tokio::select! {
            biased;
            completed = complete => match completed {
                Leased::Held(_) => {
                    self.log_completed(file);
                    self.context.metrics.completed(file);
                    Outcome::Completed
                }
                Leased::Lost => Outcome::LeaseLost,
            },
            () = lost => {
                tracing::warn!(
                    "it is unknown whether the export is completed: \
                     the database did not answer before the lease expired"
                );
                Outcome::Unknown
            }
        }
    }

    async fn record_failure(&self, error: &JobError) -> Outcome {
        let policy = RetryPolicy {
            max_attempts: self.context.settings.max_attempts,
        };
        let pause = error
            .is_retryable
            .then(|| policy.pause_after(self.claim.attempt, rand::random()))
            .flatten();
        let mut trace = self.context.tracer.step("fail", &self.trace);
        trace.fail(|| error.reason.clone());
        let (database, lease) = (&self.context.database, self.claim.lease);
        let (recorded, outcome) = if let Some(pause) = pause {
            self.log_retry(error, pause);
            let recorded = database.retry(lease, pause, &error.reason).await;
            (recorded, Outcome::Retried)
        } else {
            log_failed(error);
            let recorded = database.fail(lease, &error.failure, &error.reason).await;
            (recorded, Outcome::Failed)
        };
        let outcome = self.if_recorded(recorded, outcome).await;
        self.context.metrics.failed(outcome, error.failure.code);
        outcome
    }

    /// Adds the rights that the source's role lacks, and the command that grants them, to the reason.
    async fn with_missing_rights(&self, mut error: JobError) -> JobError {
        if error.lacks_rights
            && let Some(missing) = self.context.rights.named().await
        {
            error.reason = format!("{}: {missing}", error.reason);
        }
        error
    }

    async fn release(&self, outcome: Outcome) -> Outcome {
        let recorded = self.context.database.release(self.claim.lease).await;
        self.if_recorded(recorded, outcome).await
    }

    /// The outcome, if the database has recorded it. Otherwise the export is claimed again when its lease
    /// expires.
    async fn if_recorded(
        &self,
        recorded: Result<Leased, exports_database::Error>,
        outcome: Outcome,
    ) -> Outcome {
        match recorded {
            Ok(Leased::Held(())) => outcome,
            Ok(Leased::Lost) => self.lease_lost().await,
            Err(error) => {
                tracing::warn!(
                    error = error_line(&error),
                    "the outcome could not be recorded; the lease expires instead"
                );
                Outcome::Unknown
            }
        }
    }

    /// An unavailable source or store fails many attempts, so its outage is logged once. The line of the
    /// attempt then needs no attention.
    fn log_retry(&self, error: &JobError, pause: Duration) {
        let retry_in_s = pause.as_secs();
        let outages = &self.context.outages;
        let outage = match error.failure.code {
            FailureCode::SourceUnavailable | FailureCode::SourceStalled => &outages.source,
            FailureCode::StorageUnavailable => &outages.store,
            _ => {
                tracing::warn!(error = error.reason, retry_in_s, "the attempt failed");
                return;
            }
        };
        outage.failed(&error.reason);
        tracing::info!(
            error = error.reason,
            error_code = %error.failure.code,
            retry_in_s,
            "the attempt failed"
        );
    }

    fn log_completed(&self, file: &FinishedFile) {
        self.context.outages.source.succeeded();
        self.context.outages.store.succeeded();
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            rows = file.row_count,
            size_bytes = file.size_bytes,
            queued_ms = millis(self.claim.waited),
            duration_ms = millis(self.claimed_at.elapsed()),
            "export completed"
        );
    }
}

/// A failed export is an error of the service, unless the data or the request is the reason.
fn log_failed(error: &JobError) {
    let (error_code, error) = (error.failure.code, &error.reason);
    match error_code {
        FailureCode::InvalidData | FailureCode::FileTooLarge => {
            tracing::warn!(error, %error_code, "the export failed");
        }
        _ => tracing::error!(error, %error_code, "the export failed"),
    }
}
