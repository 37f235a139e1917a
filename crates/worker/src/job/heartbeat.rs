//! Keeps a lease alive while its export is worked on, and tells the work when it is lost.
//!
//! The worker counts a lease as lost before the database does: by a clock that never jumps, from
//! the moment at which the last successful heartbeat was *sent*, less a margin. A worker that was
//! stopped and continued therefore finds its lease lost before it does anything else.

use std::time::Duration;

use exports_database::{Database, Leased};
use exports_domain::Lease;
use exports_domain::error_line;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::job::Counters;

/// A lease that is kept alive for as long as this value lives.
pub(crate) struct Heartbeat {
    /// Until when the lease surely holds.
    deadline: watch::Receiver<Instant>,
    _beating: AbortOnDropHandle<()>,
}

impl Heartbeat {
    /// Begins to beat, three times and more per lease, counting from `claimed_at`.
    pub(crate) fn start(
        database: Database,
        lease: Lease,
        duration: Duration,
        claimed_at: std::time::Instant,
        progress: Counters,
    ) -> Self {
        let (sender, deadline) =
            watch::channel(sure_until(Instant::from_std(claimed_at), duration));
        let beating = tokio::spawn(beat(database, lease, duration, sender, progress));
        Self {
            deadline,
            _beating: AbortOnDropHandle::new(beating),
        }
    }

    /// Ends when the lease is lost.
    pub(crate) async fn lost(&self) {
        let mut deadline = self.deadline.clone();
        loop {
            let until = *deadline.borrow_and_update();
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => return,
                changed = deadline.changed() => {
                    // The heart has stopped: no later deadline will come.
                    if changed.is_err() {
                        tokio::time::sleep_until(until).await;
                        return;
                    }
                }
            }
        }
    }
}

/// The lease's end, less a tenth for the way to the store and the clocks' drift.
fn sure_until(sent: Instant, duration: Duration) -> Instant {
    sent + duration.mul_f64(0.9)
}

async fn beat(
    database: Database,
    lease: Lease,
    duration: Duration,
    deadline: watch::Sender<Instant>,
    progress: Counters,
) {
    let rhythm = duration / 4;
    let mut pause = rhythm;
    loop {
        tokio::time::sleep(pause).await;
        let until = *deadline.borrow();
        let sent = Instant::now();
        let beat = database.heartbeat(lease, duration, progress.read());
        match tokio::time::timeout_at(until, beat).await {
            Ok(Ok(Leased::Held(()))) => {
                deadline.send_replace(sure_until(sent, duration));
                pause = rhythm;
            }
            Ok(Ok(Leased::Lost)) => {
                deadline.send_replace(sent);
                return;
            }
            Ok(Err(error)) => {
                tracing::warn!(error = error_line(&error), "a heartbeat failed");
                pause = rhythm / 4;
            }
            Err(_too_late) => return,
        }
    }
}
