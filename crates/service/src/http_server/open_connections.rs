//! The open connections of a server: to wake them when the server stops, and to find those that can make room.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::activity::{Activity, Clock, Phase, millis};
use super::limits::Timeouts;

/// How long a connection without a request keeps its slot while others wait for one.
const KEPT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct OpenConnections {
    clock: Clock,
    timeouts: Timeouts,
    is_stopping: AtomicBool,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
}

impl OpenConnections {
    pub(super) fn new(timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self {
            clock: Clock::start(),
            timeouts,
            is_stopping: AtomicBool::new(false),
            next: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    /// Adds a connection. The drop of the guard removes it.
    pub(super) fn enter(self: &Arc<Self>) -> OpenConnection {
        let activity = Arc::new(Activity::new(self.clock, self.timeouts));
        let id = self.next.fetch_add(1, Relaxed);
        self.lock().insert(id, Arc::clone(&activity));
        OpenConnection {
            all: Arc::clone(self),
            id,
            activity,
        }
    }

    /// From now on, connections close as soon as they have no request in progress.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
        for activity in self.lock().values() {
            activity.wake();
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Relaxed)
    }

    /// Asks the connections that have waited longest without a request to close, at most so many. Those that have not sent a
    /// whole head yet come first. Returns how many were asked.
    pub(super) fn displace(&self, at_most: usize) -> usize {
        let latest = self.clock.now().checked_sub(millis(KEPT));
        let open = self.lock();
        let mut waiting: Vec<_> = open
            .values()
            .filter(|activity| !activity.is_displaced())
            .map(|activity| (activity.phase(), activity))
            .filter(|((phase, since), _)| *phase != Phase::Request && Some(*since) <= latest)
            .collect();
        waiting.sort_unstable_by_key(|(phase, _)| *phase);
        waiting.truncate(at_most);
        for (_, activity) in &waiting {
            activity.displace();
        }
        waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the open connections.
#[derive(Debug)]
pub(super) struct OpenConnection {
    pub(super) all: Arc<OpenConnections>,
    pub(super) activity: Arc<Activity>,
    id: u64,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}
