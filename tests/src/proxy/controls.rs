//! The state of a proxy's faults.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{Loss, Target};

pub(super) struct Controls {
    /// The target of new connections.
    pub(super) target: Mutex<Target>,
    /// Counts the calls of `blackhole`: older connections pass no bytes.
    pub(super) blackholes: watch::Sender<u64>,
    /// Counts the calls of `cut`: older connections are closed.
    pub(super) cuts: watch::Sender<u64>,
    pub(super) held: watch::Sender<bool>,
    /// The number of reply bytes that still pass before the hold.
    pub(super) allowance: Mutex<Option<usize>>,
    pub(super) refusing: watch::Sender<bool>,
    pub(super) latency: watch::Sender<Duration>,
    pub(super) losses: Mutex<VecDeque<Rule>>,
    pub(super) lost: watch::Sender<u64>,
}

type Pick = Box<dyn Fn(&[u8]) -> bool + Send>;

pub(super) struct Rule {
    pub(super) loss: Loss,
    pub(super) when: Pick,
}

impl Controls {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target: Mutex::new(target),
            blackholes: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
            held: watch::Sender::new(false),
            allowance: Mutex::default(),
            refusing: watch::Sender::new(false),
            latency: watch::Sender::new(Duration::ZERO),
            losses: Mutex::default(),
            lost: watch::Sender::new(0),
        }
    }

    pub(super) fn target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn losses(&self) -> MutexGuard<'_, VecDeque<Rule>> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn allowance(&self) -> MutexGuard<'_, Option<usize>> {
        self.allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds when the allowance is used up.
    pub(super) fn count(&self, bytes: usize) {
        let mut allowance = self.allowance();
        match *allowance {
            Some(left) if left <= bytes => {
                *allowance = None;
                self.held.send_replace(true);
            }
            Some(left) => *allowance = Some(left - bytes),
            None => {}
        }
    }

    /// The loss for these bytes, if any.
    pub(super) fn meet(&self, bytes: &[u8]) -> Option<Loss> {
        let mut losses = self.losses();
        if losses.front().is_some_and(|rule| (rule.when)(bytes)) {
            return losses.pop_front().map(|rule| rule.loss);
        }
        None
    }

    pub(super) async fn pass(&self) {
        let mut held = self.held.subscribe();
        // The sender lives as long as `self`.
        let _ = held.wait_for(|held| !held).await;
        let latency = *self.latency.borrow();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }
}
