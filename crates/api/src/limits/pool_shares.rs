//! A project's share of the connection pool: its slow statements must leave connections for other projects.
//!
//! A handler takes a share before its statement. The statements of batches (`GET /v1/exports/{id}`) need none:
//! one serves many projects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exports_domain::ProjectId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::ApiError;

/// As long as a statement waits for a connection.
const TIMEOUT: Duration = exports_postgres::ACQUIRE_TIMEOUT;

/// The shares of all projects that use or wait for a connection.
#[derive(Debug)]
pub(crate) struct PoolShares {
    /// How many connections one project may use.
    size: usize,
    projects: Mutex<HashMap<ProjectId, Arc<Semaphore>>>,
}

/// One connection of a project's share, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<PoolShares>,
    project: ProjectId,
    /// `None` only in `drop`.
    permit: Option<OwnedSemaphorePermit>,
}

impl PoolShares {
    /// The share of a project is half of a pool of this size.
    pub(crate) fn new(pool: u32) -> Self {
        let size = usize::try_from(pool / 2).unwrap_or(usize::MAX).max(1);
        Self {
            size,
            projects: Mutex::default(),
        }
    }

    /// Waits for a connection of the project's share, in the order of the calls.
    pub(crate) async fn take(self: &Arc<Self>, project: &ProjectId) -> Result<Share, ApiError> {
        // If this future is dropped while it waits, the share removes the semaphore, too.
        let mut share = Share {
            shares: Arc::clone(self),
            project: project.clone(),
            permit: None,
        };
        let semaphore = self.semaphore(project);
        let permit = timeout(TIMEOUT, semaphore.acquire_owned()).await;
        let timed_out = |_| ApiError::PoolShareTimedOut {
            seconds: TIMEOUT.as_secs(),
        };
        let permit = permit.map_err(timed_out)?;
        share.permit = Some(permit.expect("the semaphore is never closed"));
        Ok(share)
    }

    fn semaphore(&self, project: &ProjectId) -> Arc<Semaphore> {
        let mut projects = self.lock();
        if let Some(semaphore) = projects.get(project) {
            return Arc::clone(semaphore);
        }
        let semaphore = Arc::new(Semaphore::new(self.size));
        projects.insert(project.clone(), Arc::clone(&semaphore));
        semaphore
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, Arc<Semaphore>>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    /// Removes the semaphore of a project that uses no connection and waits for none.
    fn drop(&mut self) {
        let mut projects = self.shares.lock();
        drop(self.permit.take());
        let semaphore = projects.get(&self.project);
        if semaphore.is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            projects.remove(&self.project);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str) -> ProjectId {
        name.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_project_has_half_of_the_pool_and_others_have_theirs() {
        let shares = Arc::new(PoolShares::new(4));
        let (one, other) = (project("proj_a"), project("proj_b"));
        let first = shares.take(&one).await.unwrap();
        let _second = shares.take(&one).await.unwrap();
        let full = shares.take(&one).await.unwrap_err();
        assert!(matches!(full, ApiError::PoolShareTimedOut { .. }), "{full}");
        let _other = shares.take(&other).await.unwrap();
        drop(first);
        shares.take(&one).await.unwrap();
    }

    #[tokio::test]
    async fn only_projects_in_use_are_remembered() {
        let shares = Arc::new(PoolShares::new(2));
        let one = project("proj_a");
        let share = shares.take(&one).await.unwrap();
        let waits = timeout(Duration::ZERO, shares.take(&one)).await;
        assert!(waits.is_err(), "the only connection is in use");
        assert_eq!(shares.lock().len(), 1);
        drop(share);
        assert!(shares.lock().is_empty());
    }
}
