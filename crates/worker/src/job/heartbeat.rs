//! Renews the lease while its export runs, and reports when the lease is lost. A notification that the export
//! was canceled makes the next heartbeat come at once.
//!
//! The worker considers a lease lost before the database does: it counts on a monotonic clock, from the time
//! at which the last successful heartbeat was *sent*, minus a margin. A worker process that was suspended
//! therefore sees that its lease is lost before it does anything else.

use std::time::Duration;

use exports_database::{Database, Leased};
use exports_domain::Lease;
use exports_domain::error_line;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::job::SharedProgress;
use crate::lease_checks::LeaseCheck;

/// How many heartbeats are sent per lease duration.
const HEARTBEATS_PER_LEASE: u32 = 4;

/// Renews a lease until it is dropped.
pub(crate) struct Heartbeat {
    /// The lease is held at least until then.
    deadline: watch::Receiver<Instant>,
    _task: AbortOnDropHandle<()>,
}

impl Heartbeat {
    /// Starts the heartbeats of a lease that was acquired at `claimed_at`.
    pub(crate) fn start(
        database: Database,
        lease: Lease,
        duration: Duration,
        claimed_at: std::time::Instant,
        progress: SharedProgress,
        check: LeaseCheck,
    ) -> Self {
        let held_until = safe_deadline(Instant::from_std(claimed_at), duration);
        let (sender, deadline) = watch::channel(held_until);
        let task = tokio::spawn(renew(database, lease, duration, sender, progress, check));
        Self {
            deadline,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Returns when the lease is lost.
    pub(crate) async fn lost(&self) {
        let mut deadline = self.deadline.clone();
        loop {
            let until = *deadline.borrow_and_update();
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => return,
                changed = deadline.changed() => {
                    // The heartbeats have stopped: the deadline is final.
                    if changed.is_err() {
                        tokio::time::sleep_until(until).await;
                        return;
                    }
                }
            }
        }
    }
}

/// When the lease expires, minus a tenth for the network and for clock drift.
fn safe_deadline(sent: Instant, duration: Duration) -> Instant {
    sent + duration.mul_f64(0.9)
}

/// When to give up on a heartbeat and send another one over another connection: after two thirds of the time
/// that is left. So there are several tries before the lease expires, and a slow database has most of the time.
fn end_of_try(sent: Instant, until: Instant) -> Instant {
    const MIN: Duration = Duration::from_secs(1);
    let left = until.saturating_duration_since(sent);
    until.min(sent + (left * 2 / 3).max(MIN))
}

async fn renew(
    database: Database,
    lease: Lease,
    duration: Duration,
    deadline: watch::Sender<Instant>,
    progress: SharedProgress,
    check: LeaseCheck,
) {
    let interval = duration / HEARTBEATS_PER_LEASE;
    let mut pause = interval;
    loop {
        // A requested check is an early heartbeat.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = check.requested() => {}
        }
        let until = *deadline.borrow();
        let sent = Instant::now();
        let heartbeat = database.heartbeat(lease, duration, progress.load());
        match tokio::time::timeout_at(end_of_try(sent, until), heartbeat).await {
            Ok(Ok(Leased::Held(()))) => {
                deadline.send_replace(safe_deadline(sent, duration));
                pause = interval;
            }
            Ok(Ok(Leased::Lost)) => {
                deadline.send_replace(sent);
                return;
            }
            Ok(Err(error)) => {
                let error_text = error_line(&error);
                // The outage of a database is logged once for all leases.
                if error.is_unavailable() {
                    tracing::debug!(error = error_text, "a heartbeat failed");
                } else {
                    tracing::warn!(error = error_text, "a heartbeat failed");
                }
                pause = interval / 4;
            }
            // Another try needs time, too. The next connection is another one.
            Err(_timeout) if Instant::now() < until => pause = Duration::ZERO,
            Err(_timeout) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_heartbeats_without_an_answer_fit_into_a_lease() {
        let duration = Duration::from_secs(30);
        let claimed = Instant::now();
        let until = safe_deadline(claimed, duration);
        let mut now = claimed + duration / HEARTBEATS_PER_LEASE;
        let mut tries = Vec::new();
        while now < until {
            let end = end_of_try(now, until);
            tries.push(end - now);
            now = end;
        }
        assert_eq!(now, until, "the last one ends with the lease");
        let long = tries.iter().filter(|time| **time >= Duration::from_secs(1));
        assert!(long.count() >= 3, "{tries:?}");
    }
}
