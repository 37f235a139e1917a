//! One attempt at an export, from its claim to what is written down of it.

use std::time::Instant;

use exports_database::{Claim, FinishedFile, Leased};
use exports_domain::RetryPolicy;
use exports_domain::error_line;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::context::{Context, jittered};
use crate::job::Counters;
use crate::job::error::{Fate, JobError, WriteError};
use crate::job::export;
use crate::job::heartbeat::Heartbeat;
use crate::metrics::{Outcome, PhaseClock, Running};
use crate::pipeline::upload::FileUpload;

/// An export in this worker's hands.
pub(crate) struct Attempt {
    context: Context,
    claim: Claim,
    claimed_at: Instant,
}

/// How the work ended.
enum Ended {
    /// The file is in the store; nobody knows of it yet.
    Written(FinishedFile),
    Failed(JobError),
    /// The lease is over: another worker has the export, or will have.
    LeaseLost,
    /// The worker shuts down and cannot wait.
    Abandoned,
}

/// What the database said of a finished file.
enum Settled {
    Completed,
    Refused,
    /// It did not say. The file may be an export's by now, so it must stay; if it is not, the
    /// export's next claim dooms it.
    Unknown,
}

impl Attempt {
    pub(crate) fn new(context: Context, claim: Claim, claimed_at: Instant) -> Self {
        Self {
            context,
            claim,
            claimed_at,
        }
    }

    /// Works until the file is there and recorded, or until the reason why not is.
    pub(crate) async fn run(self, abandon: &CancellationToken) {
        let span = tracing::info_span!(
            "export",
            export.id = %self.claim.lease.export,
            attempt = self.claim.attempt,
        );
        let _running = Running::begin(&self.context.metrics);
        let outcome = self.run_to_completion(abandon).instrument(span).await;
        self.context.metrics.ended(outcome);
    }

    async fn run_to_completion(&self, abandon: &CancellationToken) -> Outcome {
        let settings = &self.context.settings;
        let progress = Counters::default();
        let heartbeat = Heartbeat::start(
            self.context.database.clone(),
            self.claim.lease,
            settings.lease,
            self.claimed_at,
            progress.clone(),
        );
        let mut file = FileUpload::new(&self.context, &self.claim);
        let mut clock = PhaseClock::start(self.context.metrics.clone(), self.claimed_at);
        let ended = tokio::select! {
            biased;
            () = heartbeat.lost() => Ended::LeaseLost,
            () = abandon.cancelled() => Ended::Abandoned,
            () = tokio::time::sleep(settings.max_duration) =>
                Ended::Failed(JobError::timed_out(settings.max_duration)),
            written = export::write(&self.context, &self.claim, &progress, &mut file, &mut clock) => match written {
                Ok(facts) => Ended::Written(facts),
                Err(WriteError::LeaseLost) => Ended::LeaseLost,
                Err(WriteError::Failed(error)) => Ended::Failed(error),
            },
        };
        match ended {
            Ended::Written(facts) => match self.settle(&heartbeat, &facts).await {
                Settled::Completed => {
                    self.log_completed(&facts);
                    self.context.metrics.completed(&facts);
                    Outcome::Completed
                }
                Settled::Refused => {
                    tracing::warn!("the lease was lost before the file was recorded");
                    file.discard().await;
                    Outcome::LeaseLost
                }
                Settled::Unknown => {
                    tracing::warn!(
                        "the database did not say whether the export is completed; its lease decides"
                    );
                    Outcome::Unknown
                }
            },
            Ended::Failed(error) => {
                file.discard().await;
                self.record_failure(&error).await
            }
            Ended::LeaseLost => {
                tracing::warn!("the lease was lost, the work stops");
                file.discard().await;
                Outcome::LeaseLost
            }
            Ended::Abandoned => {
                file.discard().await;
                self.release().await
            }
        }
    }

    /// Records the file, asking again while the lease lasts when no answer came.
    async fn settle(&self, heartbeat: &Heartbeat, facts: &FinishedFile) -> Settled {
        let ask = async {
            let mut pause = std::time::Duration::from_millis(100);
            loop {
                let key = &self.claim.object_key;
                match self
                    .context
                    .database
                    .complete(self.claim.lease, key, facts)
                    .await
                {
                    Ok(Leased::Held(_)) => return Settled::Completed,
                    Ok(Leased::Lost) => return Settled::Refused,
                    Err(error) => {
                        tracing::warn!(
                            error = error_line(&error),
                            "the file could not be recorded"
                        );
                    }
                }
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(std::time::Duration::from_secs(2));
            }
        };
        tokio::select! {
            biased;
            settled = ask => settled,
            () = heartbeat.lost() => Settled::Unknown,
        }
    }

    async fn record_failure(&self, error: &JobError) -> Outcome {
        let policy = RetryPolicy {
            max_attempts: self.context.settings.max_attempts,
        };
        let pause = match error.fate {
            Fate::Retry => policy.pause_after(self.claim.attempt, rand::random()),
            Fate::Fail => None,
        };
        let (database, lease) = (&self.context.database, self.claim.lease);
        let (recorded, ended) = if let Some(pause) = pause {
            tracing::warn!(
                error = error.reason,
                retry_in_s = pause.as_secs(),
                "the attempt failed"
            );
            let recorded = database.retry(lease, pause, &error.reason).await;
            (recorded, Outcome::Retried)
        } else {
            tracing::error!(
                error = error.reason,
                error_code = %error.failure.code,
                "the export failed"
            );
            let recorded = database.fail(lease, &error.failure, &error.reason).await;
            (recorded, Outcome::Failed)
        };
        let outcome = outcome_of(recorded, ended);
        self.context.metrics.failed(outcome, error.failure.code);
        outcome
    }

    async fn release(&self) -> Outcome {
        tracing::info!("the export is given back");
        let recorded = self.context.database.release(self.claim.lease).await;
        outcome_of(recorded, Outcome::Released)
    }

    fn log_completed(&self, facts: &FinishedFile) {
        let millis =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            rows = facts.row_count,
            size_bytes = facts.size_bytes,
            queued_ms = millis(self.claim.waited),
            duration_ms = millis(self.claimed_at.elapsed()),
            "export completed"
        );
    }
}

/// `ended`, if that is what the database knows. What could not be recorded is found by whoever
/// claims the export when its lease ends.
fn outcome_of(recorded: Result<Leased, exports_database::Error>, ended: Outcome) -> Outcome {
    match recorded {
        Ok(Leased::Held(())) => ended,
        Ok(Leased::Lost) => {
            tracing::warn!("the lease was lost before the end was recorded");
            Outcome::LeaseLost
        }
        Err(error) => {
            tracing::warn!(
                error = error_line(&error),
                "the attempt's end was not recorded, its lease will end it"
            );
            Outcome::Unknown
        }
    }
}
