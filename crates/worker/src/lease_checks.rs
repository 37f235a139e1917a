//! Lets a notification make a running attempt check its lease at once, instead of at its next heartbeat.
//!
//! A notification is only a reason to ask: whether the lease is lost, the database decides.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exports_domain::{ExportId, Lease};
use tokio::sync::Notify;

/// How many requests for exports that are not running here are remembered. All workers receive every
/// notification, so most are for other workers. Some arrive before the answer to the claim of their export.
const MAX_REMEMBERED: usize = 256;

/// The running attempts of a worker. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeaseChecks(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: Vec<(Lease, Arc<Notify>)>,
    /// The latest at the end.
    remembered: VecDeque<ExportId>,
}

/// The requests to one attempt, until it is dropped.
#[derive(Debug)]
pub(crate) struct LeaseCheck {
    checks: LeaseChecks,
    lease: Lease,
    requested: Arc<Notify>,
}

impl LeaseChecks {
    /// Starts to receive the requests for an attempt. One that came a moment ago counts.
    pub(crate) fn register(&self, lease: Lease) -> LeaseCheck {
        let requested = Arc::new(Notify::new());
        let mut state = self.lock();
        if state.remembered.contains(&lease.export) {
            requested.notify_one();
        }
        state.running.push((lease, Arc::clone(&requested)));
        LeaseCheck {
            checks: self.clone(),
            lease,
            requested,
        }
    }

    /// Asks the attempts at an export to check their leases.
    pub(crate) fn request(&self, export: ExportId) {
        let mut state = self.lock();
        let running = state.running.iter();
        for (_, requested) in running.filter(|(lease, _)| lease.export == export) {
            requested.notify_one();
        }
        state.remembered.push_back(export);
        if state.remembered.len() > MAX_REMEMBERED {
            state.remembered.pop_front();
        }
    }

    /// Asks all attempts: notifications may have been lost.
    pub(crate) fn request_all(&self) {
        for (_, requested) in &self.lock().running {
            requested.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeaseCheck {
    /// Returns when a check is requested. A request during the last check counts.
    pub(crate) async fn requested(&self) {
        self.requested.notified().await;
    }
}

impl Drop for LeaseCheck {
    fn drop(&mut self) {
        let mut state = self.checks.lock();
        state.running.retain(|(lease, _)| *lease != self.lease);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use exports_domain::LeaseToken;
    use tokio::time::timeout;
    use uuid::Uuid;

    use super::*;

    fn lease(export: u128, token: u128) -> Lease {
        Lease {
            export: ExportId(Uuid::from_u128(export)),
            token: LeaseToken(Uuid::from_u128(token)),
        }
    }

    async fn is_requested(check: &LeaseCheck) -> bool {
        timeout(Duration::ZERO, check.requested()).await.is_ok()
    }

    #[tokio::test]
    async fn only_the_attempts_at_the_export_are_asked() {
        let checks = LeaseChecks::default();
        let (one, other) = (checks.register(lease(1, 1)), checks.register(lease(2, 2)));
        checks.request(ExportId(Uuid::from_u128(1)));
        assert!(is_requested(&one).await);
        assert!(!is_requested(&one).await, "each request counts once");
        assert!(!is_requested(&other).await);
        checks.request_all();
        assert!(is_requested(&one).await && is_requested(&other).await);
        drop((one, other));
        assert!(checks.lock().running.is_empty());
    }

    #[tokio::test]
    async fn a_request_before_the_attempt_counts() {
        let checks = LeaseChecks::default();
        checks.request(ExportId(Uuid::from_u128(1)));
        assert!(is_requested(&checks.register(lease(1, 1))).await);
        assert!(!is_requested(&checks.register(lease(2, 2))).await);
        for other in 0..MAX_REMEMBERED as u128 {
            checks.request(ExportId(Uuid::from_u128(1000 + other)));
        }
        assert!(!is_requested(&checks.register(lease(1, 3))).await);
    }
}
