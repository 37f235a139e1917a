//! Who waits for which exports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use exports_database::{Database, ValidKey};
use exports_domain::{Count, Exceeded, ExportId, KeyId, Limit, ProjectId};
use exports_service::metrics::Gauges;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::open_keys::OpenKeys;
use super::project_log::ProjectLog;
use super::rendered::Rendered;
use super::waiter::{Waiter, WaiterKind};
use super::watch::Watch;
use super::watched::Watched;
use crate::caller::Caller;

/// The waiters of this process.
pub(crate) struct Hub {
    pub(super) database: Database,
    limit: Limit<Count>,
    open: Gauges<WaiterKind>,
    registry: Mutex<Registry>,
    /// An export has to be read.
    pub(super) dirty: Notify,
    /// Whether anybody waits.
    pub(super) is_used: watch::Sender<bool>,
    stop: CancellationToken,
}

#[derive(Default)]
pub(super) struct Registry {
    pub(super) exports: HashMap<ExportId, Watched>,
    pub(super) projects: HashMap<ProjectId, ProjectLog>,
    keys: OpenKeys,
    /// Waiters of each project.
    waiters: HashMap<ProjectId, u64>,
    /// Waiters of each kind: waits, streams.
    kinds: [u32; 2],
    /// The exports that have to be read, and their projects if they are known.
    pub(super) dirty: HashMap<ExportId, Option<ProjectId>>,
    /// How many reads have begun.
    pub(super) reads: u64,
}

impl Hub {
    pub(crate) fn new(
        database: Database,
        limit: Limit<Count>,
        open: Gauges<WaiterKind>,
    ) -> Arc<Self> {
        open.set(WaiterKind::Wait, 0.0);
        open.set(WaiterKind::Stream, 0.0);
        Arc::new(Self {
            database,
            limit,
            open,
            registry: Mutex::default(),
            dirty: Notify::new(),
            is_used: watch::Sender::new(false),
            stop: CancellationToken::new(),
        })
    }

    /// Answers all waiters and ends all streams.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns when the process stops.
    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Counts a waiter of the caller's project, unless there are too many.
    pub(crate) fn enter(
        self: &Arc<Self>,
        caller: &Caller,
        kind: WaiterKind,
    ) -> Result<Waiter, Exceeded> {
        let mut registry = self.lock();
        let count = registry.waiters.get(&caller.project).copied().unwrap_or(0);
        if let Limit::At(most) = self.limit
            && count >= most.get()
        {
            return Err(Exceeded::Streams(most));
        }
        registry.waiters.insert(caller.project.clone(), count + 1);
        registry.kinds[kind as usize] += 1;
        let refused = registry.keys.enter(caller.key);
        self.report(kind, &registry);
        drop(registry);
        self.is_used
            .send_if_modified(|is_used| !std::mem::replace(is_used, true));
        Ok(Waiter {
            hub: Arc::clone(self),
            project: caller.project.clone(),
            key: caller.key,
            kind,
            refused,
        })
    }

    pub(super) fn leave(&self, waiter: &Waiter) {
        let mut registry = self.lock();
        if let Some(count) = registry.waiters.get_mut(&waiter.project) {
            *count -= 1;
            if *count == 0 {
                registry.waiters.remove(&waiter.project);
            }
        }
        registry.keys.leave(waiter.key);
        registry.kinds[waiter.kind as usize] -= 1;
        self.report(waiter.kind, &registry);
        let is_used = !registry.waiters.is_empty();
        self.is_used
            .send_if_modified(|before| std::mem::replace(before, is_used) != is_used);
    }

    fn report(&self, kind: WaiterKind, registry: &Registry) {
        self.open.set(kind, registry.kinds[kind as usize].into());
    }

    /// Watches an export, which is read at once.
    pub(crate) fn watch(self: &Arc<Self>, project: &ProjectId, id: ExportId) -> Watch {
        let mut registry = self.lock();
        let after = registry.reads;
        let seen = registry.exports.entry(id).or_default().watch(after);
        registry.dirty.entry(id).or_default();
        drop(registry);
        self.dirty.notify_one();
        Watch {
            hub: Arc::clone(self),
            id,
            project: project.clone(),
            seen,
            after,
        }
    }

    pub(super) fn unwatch(&self, id: ExportId) {
        let mut registry = self.lock();
        if let Some(watched) = registry.exports.get_mut(&id)
            && watched.unwatch()
        {
            registry.exports.remove(&id);
        }
    }

    /// Begins to collect the changes of a project for one stream. Returns the number of the latest event.
    pub(crate) fn open_project(&self, project: &ProjectId) -> watch::Receiver<u64> {
        let mut registry = self.lock();
        let log = registry
            .projects
            .entry(project.clone())
            .or_insert_with(ProjectLog::new);
        log.streams += 1;
        log.subscribe()
    }

    /// Ends a stream of a project.
    pub(crate) fn close_project(&self, project: &ProjectId) {
        let mut registry = self.lock();
        if let Some(log) = registry.projects.get_mut(project) {
            log.streams -= 1;
            if log.streams == 0 {
                registry.projects.remove(project);
            }
        }
    }

    /// Exports of a project whose state its stream knows.
    pub(crate) fn seed_project(&self, project: &ProjectId, exports: &[Arc<Rendered>]) {
        if let Some(log) = self.lock().projects.get_mut(project) {
            for export in exports {
                log.seed(export);
            }
        }
    }

    /// The events of a project after this number, at most so many.
    pub(crate) fn project_events(
        &self,
        project: &ProjectId,
        after: u64,
        most: usize,
    ) -> (Vec<Bytes>, u64) {
        let registry = self.lock();
        let log = registry.projects.get(project);
        log.map_or_else(|| (Vec::new(), after), |log| log.after(after, most))
    }

    /// The projects that have streams.
    pub(super) fn projects(&self) -> Vec<ProjectId> {
        self.lock().projects.keys().cloned().collect()
    }

    /// The keys of all waiters, and whether one of them was not checked yet.
    pub(super) fn keys(&self) -> (Vec<KeyId>, bool) {
        self.lock().keys.all()
    }

    /// Ends the waiters of the keys that are not valid any more, or whose projects are suspended.
    pub(super) fn checked(&self, asked: &[KeyId], valid: &[ValidKey]) {
        self.lock().keys.checked(asked, valid);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
