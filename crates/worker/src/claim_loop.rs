//! Claims as many exports as the worker has free slots, and runs each attempt in its own task.

use std::time::{Duration, Instant};

use exports_database::ClaimRequest;
use exports_domain::error_line;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::background::notify::QueueWakeup;
use crate::background::queue_hints::SharedHints;
use crate::context::Context;
use crate::job::Attempt;
use crate::slots::Slots;

/// The pause after a claim that failed.
const ERROR_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct ClaimLoop {
    wakeup: QueueWakeup,
    claimer: Claimer,
}

/// What a claim and its attempts need.
#[derive(Clone)]
struct Claimer {
    context: Context,
    hints: SharedHints,
    slots: Slots,
    /// Stops the attempts; they release their exports.
    shutdown: CancellationToken,
    attempts: TaskTracker,
}

impl ClaimLoop {
    pub(crate) fn new(
        context: Context,
        wakeup: QueueWakeup,
        hints: SharedHints,
        shutdown: CancellationToken,
    ) -> Self {
        let slots = Slots::new(context.settings.concurrency);
        Self {
            wakeup,
            claimer: Claimer {
                context,
                hints,
                slots,
                shutdown,
                attempts: TaskTracker::new(),
            },
        }
    }

    /// Claims until `stop`, then waits for the running attempts.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let claiming = async {
            self.claimer.context.sessions.warm_up().await;
            self.claim_forever().await;
        };
        stop.run_until_cancelled(claiming).await;
        self.claimer.attempts.close();
        self.claimer.attempts.wait().await;
    }

    async fn claim_forever(&self) {
        let Claimer { context, slots, .. } = &self.claimer;
        let mut left = slots.left();
        loop {
            let permits = slots.take_free().await;
            left.mark_unchanged();
            let wanted = permits.len();
            // In one task: cancelling this loop between a claim and the start of its attempts would leave
            // the exports claimed until their leases expire.
            let claim = self.claimer.clone().claim_and_start(permits);
            let claimed = self.claimer.attempts.spawn(claim).await.unwrap_or(0);
            let is_reserved = slots.last_is_reserved() && wanted - claimed == 1;
            context.metrics.slots_reserved.set(is_reserved.into());
            if claimed < wanted {
                context.sessions.close_idle();
                // Nothing is due, or it is due and may not use the reserved slot. Then it can use the next
                // slot that an export leaves.
                tokio::select! {
                    () = self.wakeup.wait() => {}
                    _ = left.changed() => {}
                }
            }
        }
    }
}

impl Claimer {
    /// Claims up to one export per permit and starts their attempts. Returns how many.
    async fn claim_and_start(self, permits: Vec<OwnedSemaphorePermit>) -> usize {
        let context = &self.context;
        // Before the claim is sent, so that this worker never assumes a later end of the lease than the
        // database does.
        let claimed_at = Instant::now();
        let hints = self.hints.borrow().clone();
        let request = ClaimRequest {
            owner: &context.name,
            limit: u16::try_from(permits.len()).unwrap_or(u16::MAX),
            lease: context.settings.lease,
            max_attempts: context.settings.max_attempts,
            hints,
            // The permits are for all free slots.
            last_slot_reserved: self.slots.last_is_reserved(),
            borrowers: self.slots.borrowers(),
        };
        let claims = match context.database.claim(&request).await {
            Ok(claims) => {
                context.outages.claims.succeeded();
                claims
            }
            Err(error) => {
                if error.is_unavailable() {
                    tracing::debug!(error = error_line(&error), "the claim failed");
                } else {
                    let reason = context.rights.reason(&error).await;
                    context.outages.claims.failed(&reason);
                }
                // The permits stay taken: another claim would fail too.
                tokio::time::sleep(ERROR_PAUSE).await;
                return 0;
            }
        };
        let count = claims.len();
        // The limit of the claim was the number of permits.
        for (claim, permit) in claims.into_iter().zip(permits) {
            context.metrics.claimed(&claim);
            context.changes.announce(&claim.project, claim.lease.export);
            let project = claim.project.clone();
            let slot = self
                .slots
                .occupy(permit, project, claimed_at, claim.borrows_slot);
            let attempt = Attempt::new(context.clone(), claim, claimed_at, slot);
            let shutdown = self.shutdown.clone();
            self.attempts
                .spawn(async move { attempt.run(&shutdown).await });
        }
        count
    }
}
