//! The cap on open connections.
//!
//! When all slots are in use, the connections that wait without a request make room. So clients that only hold connections open
//! cannot keep others out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::metrics::ConnectionMetrics;
use super::once_a_minute::OnceAMinute;
use super::open_connections::OpenConnections;

/// How often connections are asked to make room.
const INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Slots {
    max: usize,
    free: Arc<Semaphore>,
    log: OnceAMinute,
}

impl Slots {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            free: Arc::new(Semaphore::new(max)),
            log: OnceAMinute::default(),
        }
    }

    /// A slot for one accepted connection. The permit's drop releases it.
    pub(super) async fn acquire(
        &mut self,
        open: &OpenConnections,
        metrics: &ConnectionMetrics,
    ) -> OwnedSemaphorePermit {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return slot;
        }
        if let Some(connections) = self.log.event() {
            tracing::warn!(
                max_connections = self.max,
                waited = connections,
                "all connections are in use: new ones wait, and those without a request are closed after 1 s \
                 (EXPORTS_MAX_CONNECTIONS)"
            );
        }
        metrics.waiting.set(1);
        let slot = self.wait(open).await;
        metrics.waiting.set(0);
        slot
    }

    async fn wait(&self, open: &OpenConnections) -> OwnedSemaphorePermit {
        loop {
            self.make_room(open);
            let slot = Arc::clone(&self.free).acquire_owned();
            if let Ok(slot) = tokio::time::timeout(INTERVAL, slot).await {
                return slot.expect("the semaphore is never closed");
            }
        }
    }

    /// Asks a part of the waiting connections to close. With all of them, clients that keep their connections for the next
    /// request would lose them at once.
    pub(super) fn make_room(&self, open: &OpenConnections) {
        open.displace(self.max.div_ceil(16));
    }
}
