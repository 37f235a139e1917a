//! The limit of creates of a project. The database counts, over all processes.
//!
//! A process reserves creates of a large limit in batches, so that not every create updates the same row. What it reserves and
//! does not use is lost for the others until the end of the window: at most a few percent.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use exports_database::Database;
use exports_domain::{Exceeded, ProjectId, Rate};

use crate::error::ApiError;

/// A batch is this part of the limit, at least 1. The requests of a project that reserve at the same time are few: its share of
/// the pool.
const PART: u32 = 512;
/// About 1 MB. Without its entry, a project reserves again.
const CAPACITY: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct CreateQuotas(Mutex<HashMap<ProjectId, Held>>);

/// The creates that this process has reserved.
#[derive(Debug)]
struct Held {
    rate: Rate,
    left: u32,
    /// The end of the window.
    until: Instant,
}

impl CreateQuotas {
    /// Takes one create of the project. `Some`: the limit is reached.
    pub(crate) async fn take(
        &self,
        database: &Database,
        project: &ProjectId,
        rate: Rate,
    ) -> Result<Option<Exceeded>, ApiError> {
        if self.take_held(project, rate, Instant::now()) {
            return Ok(None);
        }
        let batch = (rate.count().get() / PART).max(1);
        let asked_at = Instant::now();
        let mut size = batch;
        let mut reserved = database.reserve_creates(project, rate, size).await?;
        if !reserved.granted && batch > 1 {
            // Near the limit one by one, up to the last.
            size = 1;
            reserved = database.reserve_creates(project, rate, size).await?;
        }
        if !reserved.granted {
            let retry_after = reserved.window_left;
            return Ok(Some(Exceeded::Creates { rate, retry_after }));
        }
        self.add(project, rate, size - 1, asked_at + reserved.window_left);
        Ok(None)
    }

    /// Returns a create that was not used, because the request was a replay, for example.
    pub(crate) fn give_back(&self, project: &ProjectId) {
        if let Some(held) = self.lock().get_mut(project) {
            held.left += 1;
        }
    }

    fn take_held(&self, project: &ProjectId, rate: Rate, now: Instant) -> bool {
        let mut projects = self.lock();
        let held = projects.get_mut(project);
        let held = held.filter(|held| held.rate == rate && now < held.until && held.left > 0);
        held.map(|held| held.left -= 1).is_some()
    }

    fn add(&self, project: &ProjectId, rate: Rate, creates: u32, until: Instant) {
        let now = Instant::now();
        let mut projects = self.lock();
        if projects.len() >= CAPACITY {
            projects.retain(|_, held| now < held.until);
        }
        if projects.len() >= CAPACITY {
            projects.clear();
        }
        let earlier = projects.get(project);
        let earlier = earlier.filter(|held| held.rate == rate && now < held.until);
        let left = creates + earlier.map_or(0, |held| held.left);
        projects.insert(project.clone(), Held { rate, left, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reserved_creates_are_used_until_the_window_ends() {
        let (quotas, project) = (CreateQuotas::default(), "proj_a".parse().unwrap());
        let rate: Rate = "60/1m".parse().unwrap();
        let now = Instant::now();
        assert!(
            !quotas.take_held(&project, rate, now),
            "nothing is reserved"
        );
        quotas.add(&project, rate, 1, now + Duration::from_mins(1));
        assert!(quotas.take_held(&project, rate, now));
        assert!(!quotas.take_held(&project, rate, now));
        quotas.give_back(&project);
        let other: Rate = "61/1m".parse().unwrap();
        assert!(!quotas.take_held(&project, other, now), "another limit");
        assert!(!quotas.take_held(&project, rate, now + Duration::from_mins(1)));
        assert!(quotas.take_held(&project, rate, now));
    }
}
