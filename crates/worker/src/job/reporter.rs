//! Reports the progress of an attempt about once a second, from its first second on. Small exports report nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use exports_database::{Claim, Leased, ProgressReport};
use exports_domain::error_line;
use tokio_util::task::AbortOnDropHandle;

use crate::context::Context;
use crate::job::SharedProgress;

const INTERVAL: Duration = Duration::from_secs(1);
/// The limit of one report.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reports until it is dropped.
pub(crate) struct Reporter {
    reporting: Reporting,
    _task: AbortOnDropHandle<()>,
}

#[derive(Clone)]
struct Reporting {
    context: Context,
    claim: Claim,
    started: Instant,
    progress: SharedProgress,
    has_reported: Arc<AtomicBool>,
}

impl Reporter {
    pub(crate) fn start(
        context: &Context,
        claim: &Claim,
        started: Instant,
        progress: &SharedProgress,
    ) -> Self {
        let reporting = Reporting {
            context: context.clone(),
            claim: claim.clone(),
            started,
            progress: progress.clone(),
            has_reported: Arc::default(),
        };
        let task = tokio::spawn(reporting.clone().report_forever());
        Self {
            reporting,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Removes the report in the background, because the attempt has ended. A sweep removes what is left.
    pub(crate) fn end(self) {
        let Reporting {
            context,
            claim,
            has_reported,
            ..
        } = self.reporting;
        if !has_reported.load(Ordering::Relaxed) {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = context.database.remove_progress(claim.lease).await {
                tracing::debug!(error = error_line(&error), "a report could not be removed");
            }
        });
    }
}

impl Reporting {
    async fn report_forever(self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            match tokio::time::timeout(TIMEOUT, self.report()).await {
                Ok(Ok(Leased::Held(()))) => {
                    let changes = &self.context.changes;
                    changes.announce(&self.claim.project, self.claim.lease.export);
                }
                // The heartbeat finds that too.
                Ok(Ok(Leased::Lost)) => return,
                Ok(Err(error)) => {
                    tracing::debug!(error = error_line(&error), "a report failed");
                }
                Err(_timeout) => tracing::debug!("a report timed out"),
            }
        }
    }

    async fn report(&self) -> Result<Leased, exports_database::Error> {
        let known = self.progress.known();
        let completion = known.completion(self.started.elapsed());
        let report = ProgressReport {
            progress: self.progress.load(),
            percent: completion.percent,
            seconds_remaining: completion.seconds_remaining,
        };
        // Before the statement: it may be committed without an answer.
        self.has_reported.store(true, Ordering::Relaxed);
        let database = &self.context.database;
        database.report_progress(self.claim.lease, report).await
    }
}
