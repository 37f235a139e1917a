//! The slots of a worker: how many exports it runs at the same time, and who may use the last free one.
//!
//! With two slots or more, the last free slot is reserved for the first export of a project that has none
//! running, so that one project's long exports do not delay another's first export. Alone, this would
//! halve the speed of many short exports of one project. So a project whose latest export on this worker
//! was completed within [`QUICK`] may borrow the reserved slot. An export that borrows it and runs longer is
//! released, unless another slot is free by then. `Database::claim` has the rest of the rule.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use exports_domain::ProjectId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// An export that is completed within this time is quick.
pub(crate) const QUICK: Duration = Duration::from_secs(1);
/// How many quick projects are remembered. Only a project that has running exports needs to borrow, and
/// there are few of those.
const MAX_QUICK_PROJECTS: usize = 16;

/// The slots of a worker. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    count: usize,
    free: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
    /// Changes whenever an export leaves its slot.
    left: Arc<watch::Sender<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// Exports in slots.
    running: usize,
    /// The projects whose latest export was quick; the latest at the end.
    quick: VecDeque<ProjectId>,
}

/// A slot that runs an export. The drop frees it.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    project: ProjectId,
    claimed_at: Instant,
    is_borrowed: bool,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(crate) fn new(count: u16) -> Self {
        let count = usize::from(count);
        Self {
            count,
            free: Arc::new(Semaphore::new(count)),
            state: Arc::default(),
            left: Arc::new(watch::Sender::new(())),
        }
    }

    /// Waits for a free slot, and takes all others that are free.
    pub(crate) async fn take_free(&self) -> Vec<OwnedSemaphorePermit> {
        let mut permits = Vec::new();
        // The semaphore is never closed.
        permits.extend(self.free.clone().acquire_owned().await.ok());
        while let Ok(permit) = self.free.clone().try_acquire_owned() {
            permits.push(permit);
        }
        permits
    }

    /// Whether the last free slot is reserved.
    pub(crate) fn last_is_reserved(&self) -> bool {
        self.count > 1
    }

    /// The projects that may borrow the reserved slot.
    pub(crate) fn borrowers(&self) -> Vec<String> {
        let state = self.lock();
        state.quick.iter().map(ToString::to_string).collect()
    }

    /// Receives a change whenever an export leaves its slot.
    pub(crate) fn left(&self) -> watch::Receiver<()> {
        self.left.subscribe()
    }

    /// Starts to use a slot for an export of `project`.
    pub(crate) fn occupy(
        &self,
        permit: OwnedSemaphorePermit,
        project: ProjectId,
        claimed_at: Instant,
        is_borrowed: bool,
    ) -> Slot {
        self.lock().running += 1;
        Slot {
            slots: self.clone(),
            project,
            claimed_at,
            is_borrowed,
            _permit: permit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Returns when the slot was borrowed for [`QUICK`] and no other slot is free. Otherwise never.
    pub(crate) async fn must_be_returned(&self) {
        if self.is_borrowed {
            tokio::time::sleep_until((self.claimed_at + QUICK).into()).await;
            let mut state = self.slots.lock();
            state.forget(&self.project);
            if state.running == self.slots.count {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// The export is completed: its project may borrow the reserved slot if that was quick.
    pub(crate) fn completed(&self) {
        let mut state = self.slots.lock();
        state.forget(&self.project);
        if self.claimed_at.elapsed() < QUICK {
            state.quick.push_back(self.project.clone());
            if state.quick.len() > MAX_QUICK_PROJECTS {
                state.quick.pop_front();
            }
        }
    }
}

impl State {
    fn forget(&mut self, project: &ProjectId) {
        self.quick.retain(|quick| quick != project);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().running -= 1;
        self.slots.left.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(number: usize) -> ProjectId {
        format!("proj_{number}").parse().unwrap()
    }

    async fn occupied(slots: &Slots, number: usize, is_borrowed: bool) -> Slot {
        let permit = slots.free.clone().acquire_owned().await.unwrap();
        slots.occupy(permit, project(number), Instant::now(), is_borrowed)
    }

    #[tokio::test]
    async fn a_project_may_borrow_until_an_export_of_it_is_slow() {
        let slots = Slots::new(2);
        let quick = occupied(&slots, 1, false).await;
        assert!(slots.borrowers().is_empty());
        quick.completed();
        quick.completed();
        assert_eq!(slots.borrowers(), ["proj_1"]);
        let mut slow = occupied(&slots, 1, false).await;
        slow.claimed_at = Instant::now().checked_sub(QUICK).unwrap();
        slow.completed();
        assert!(slots.borrowers().is_empty());
    }

    #[tokio::test]
    async fn the_latest_quick_projects_are_remembered() {
        let slots = Slots::new(2);
        for number in 0..20 {
            occupied(&slots, number, false).await.completed();
        }
        let borrowers = slots.borrowers();
        assert_eq!(borrowers.len(), MAX_QUICK_PROJECTS);
        assert!(borrowers.contains(&"proj_19".to_owned()));
        assert!(!borrowers.contains(&"proj_3".to_owned()));
    }

    /// Whether the slot must be returned now.
    async fn must_be_returned(slot: &Slot) -> bool {
        let limit = Duration::from_millis(200);
        let returned = tokio::time::timeout(limit, slot.must_be_returned());
        returned.await.is_ok()
    }

    #[tokio::test]
    async fn a_borrowed_slot_is_returned_if_no_other_is_free() {
        let slots = Slots::new(2);
        let other = occupied(&slots, 1, false).await;
        other.completed();
        let mut borrowed = occupied(&slots, 1, true).await;
        assert!(!must_be_returned(&borrowed).await, "it may still be quick");
        borrowed.claimed_at = Instant::now().checked_sub(QUICK).unwrap();
        assert!(must_be_returned(&borrowed).await);
        assert!(slots.borrowers().is_empty(), "its exports are not quick");
        assert!(!must_be_returned(&other).await, "it is not borrowed");

        let mut left = slots.left();
        drop(other);
        left.changed().await.unwrap();
        assert!(!must_be_returned(&borrowed).await, "a slot is free");
    }
}
