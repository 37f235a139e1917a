//! Limits of active exports without a count at every create.
//!
//! The statement of a create counts the project's active exports, exactly over all processes. Usually that is cheap. But while a
//! long export holds a snapshot, a count also reads the entries of all exports that have left the queue since. So a
//! project is counted about once a second while it has less than half of its limit: in that time this process may
//! create a part of the limit without a count. Above half, every create counts. Small limits are always counted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use exports_database::Database;
use exports_domain::{Count, ProjectId};

/// Up to this limit every create counts.
const ALWAYS_COUNTED: u64 = 200;
/// The part of the limit that a process may create without a count. If other processes use up half of the limit within
/// [`MAX_AGE`], the project may exceed it by this part.
const PART: u64 = 32;
/// How long a count is used.
const MAX_AGE: Duration = Duration::from_secs(1);
/// About 1 MB.
const CAPACITY: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct ActiveRoom(Mutex<HashMap<ProjectId, Room>>);

#[derive(Debug, Clone, Copy)]
struct Room {
    /// Creates that need no count.
    left: u64,
    /// When to count again.
    until: Instant,
    /// A request counts. The others use what is left.
    is_counting: bool,
}

enum Next {
    Free,
    Counted,
    Refresh,
}

impl ActiveRoom {
    /// Whether a create of the project can do without the count of its statement. If counting fails, it cannot.
    pub(crate) async fn take(&self, database: &Database, project: &ProjectId, most: Count) -> bool {
        if most.get() <= ALWAYS_COUNTED {
            return false;
        }
        match self.next(project, Instant::now()) {
            Next::Free => true,
            Next::Counted => false,
            Next::Refresh => {
                let half = most.get() / 2;
                match database.count_active(project, half).await {
                    Ok(active) => self.refresh(project, most, half.saturating_sub(active)),
                    Err(_) => false,
                }
            }
        }
    }

    fn next(&self, project: &ProjectId, now: Instant) -> Next {
        let mut projects = self.lock();
        let Some(room) = projects.get_mut(project) else {
            return Next::Refresh;
        };
        let is_current = now < room.until;
        match room.left {
            0 if is_current => Next::Counted,
            left if left > 0 && (is_current || room.is_counting) => {
                room.left -= 1;
                Next::Free
            }
            _ => {
                room.is_counting = true;
                Next::Refresh
            }
        }
    }

    /// Records a count. `below_half` is how many exports the project lacks to half of its limit.
    fn refresh(&self, project: &ProjectId, most: Count, below_half: u64) -> bool {
        let now = Instant::now();
        let granted = below_half.min(most.get() / PART);
        let mut projects = self.lock();
        if projects.len() >= CAPACITY {
            projects.retain(|_, room| now < room.until);
        }
        if projects.len() >= CAPACITY {
            projects.clear();
        }
        let room = Room {
            left: granted.saturating_sub(1),
            until: now + MAX_AGE,
            is_counting: false,
        };
        projects.insert(project.clone(), room);
        granted > 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_gets_a_part_of_the_limit_below_its_half() {
        let (rooms, project) = (ActiveRoom::default(), "proj_a".parse().unwrap());
        let most: Count = "3200".parse().unwrap();
        let now = Instant::now();
        assert!(matches!(rooms.next(&project, now), Next::Refresh));
        assert!(rooms.refresh(&project, most, 1600));
        for _ in 1..100 {
            assert!(matches!(rooms.next(&project, now), Next::Free));
        }
        // Used up within a second: every create counts until the next refresh.
        assert!(matches!(rooms.next(&project, now), Next::Counted));
        let later = Instant::now() + MAX_AGE;
        assert!(matches!(rooms.next(&project, later), Next::Refresh));
        assert!(!rooms.refresh(&project, most, 0), "half of it is used");
        assert!(matches!(rooms.next(&project, now), Next::Counted));
    }

    #[test]
    fn one_request_counts_and_the_others_use_what_is_left() {
        let (rooms, project) = (ActiveRoom::default(), "proj_a".parse().unwrap());
        rooms.refresh(&project, "3200".parse().unwrap(), 1600);
        let later = Instant::now() + MAX_AGE;
        assert!(matches!(rooms.next(&project, later), Next::Refresh));
        assert!(matches!(rooms.next(&project, later), Next::Free));
    }
}
