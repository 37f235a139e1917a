//! Takes exports from the queue, as many at a time as the worker has slots, and sees each attempt
//! through in a task of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use exports_database::{Claim, ClaimRequest};
use exports_domain::error_line;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::background::notify::Wakeup;
use crate::background::queue_hints::Memory;
use crate::context::Context;
use crate::job::Attempt;

/// How long to wait after the database did not answer a claim.
const AFTER_ERROR: Duration = Duration::from_secs(2);

pub(crate) struct ClaimLoop {
    context: Context,
    wakeup: Wakeup,
    memory: Memory,
    abandon: CancellationToken,
    slots: Arc<Semaphore>,
    attempts: TaskTracker,
}

impl ClaimLoop {
    pub(crate) fn new(
        context: Context,
        wakeup: Wakeup,
        memory: Memory,
        abandon: CancellationToken,
    ) -> Self {
        let slots = usize::from(context.settings.concurrency);
        Self {
            context,
            wakeup,
            memory,
            abandon,
            slots: Arc::new(Semaphore::new(slots)),
            attempts: TaskTracker::new(),
        }
    }

    /// Claims until `stop`, then waits for the attempts that are under way.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let claiming = async {
            self.context.sessions.warm_up().await;
            self.claim_for_ever().await;
        };
        stop.run_until_cancelled(claiming).await;
        self.attempts.close();
        self.attempts.wait().await;
    }

    /// Cancelling it between a claim and its attempts would leave exports to their leases' end, so
    /// the claim and the start of its attempts are one task.
    async fn claim_for_ever(&self) {
        loop {
            let permits = self.free_slots().await;
            let wanted = permits.len();
            let claimed = self
                .attempts
                .spawn(claim_and_start(self.starter(), permits))
                .await
                .unwrap_or(0);
            if claimed < wanted {
                self.context.sessions.close_idle();
                self.wakeup.next().await;
            }
        }
    }

    /// Waits for a free slot, and takes every other one that is free too.
    async fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let mut permits = Vec::new();
        // The semaphore is never closed.
        permits.extend(self.slots.clone().acquire_owned().await.ok());
        while let Ok(permit) = self.slots.clone().try_acquire_owned() {
            permits.push(permit);
        }
        permits
    }

    fn starter(&self) -> Starter {
        Starter {
            context: self.context.clone(),
            memory: self.memory.clone(),
            abandon: self.abandon.clone(),
            attempts: self.attempts.clone(),
        }
    }
}

/// What the start of an attempt takes along.
struct Starter {
    context: Context,
    memory: Memory,
    abandon: CancellationToken,
    attempts: TaskTracker,
}

/// Claims up to one export per permit and starts an attempt for each. Gives their number.
async fn claim_and_start(starter: Starter, mut permits: Vec<OwnedSemaphorePermit>) -> usize {
    let settings = &starter.context.settings;
    // Taken before the claim is sent: this worker's idea of the lease's end is never the later one.
    let claimed_at = Instant::now();
    let known = starter.memory.borrow().clone();
    let claims = starter
        .context
        .database
        .claim(&ClaimRequest {
            owner: &starter.context.name,
            limit: u16::try_from(permits.len()).unwrap_or(u16::MAX),
            lease: settings.lease,
            max_attempts: settings.max_attempts,
            known,
        })
        .await;
    let claims = match claims {
        Ok(claims) => claims,
        Err(error) => {
            tracing::warn!(error = error_line(&error), "nothing could be claimed");
            // The permits stay taken: nothing can be claimed anyway.
            tokio::time::sleep(AFTER_ERROR).await;
            return 0;
        }
    };
    let count = claims.len();
    for claim in claims {
        // There are never more claims than permits, which was the limit.
        let permit = permits.pop();
        start_attempt(&starter, claim, claimed_at, permit);
    }
    count
}

fn start_attempt(
    starter: &Starter,
    claim: Claim,
    claimed_at: Instant,
    permit: Option<OwnedSemaphorePermit>,
) {
    starter.context.metrics.claimed(&claim);
    let attempt = Attempt::new(starter.context.clone(), claim, claimed_at);
    let abandon = starter.abandon.clone();
    starter.attempts.spawn(async move {
        attempt.run(&abandon).await;
        drop(permit);
    });
}
