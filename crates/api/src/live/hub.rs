//! Who waits for which exports, and the distribution of what the reads find.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use exports_database::{Change, Database, Error as DatabaseError, ValidKey};
use exports_domain::{Count, Exceeded, Export, ExportId, KeyId, Limit, ProjectId};
use exports_service::metrics::Gauges;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::open_keys::OpenKeys;
use super::project_log::ProjectLog;
use super::rendered::Rendered;
use super::waiter::{Waiter, WaiterKind};
use super::watch::{Latest, Seen, Watch};
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
struct Registry {
    exports: HashMap<ExportId, Watched>,
    projects: HashMap<ProjectId, ProjectLog>,
    keys: OpenKeys,
    /// Waiters of each project.
    waiters: HashMap<ProjectId, u64>,
    /// Waiters of each kind: waits, streams.
    kinds: [u32; 2],
    /// The exports that have to be read, and their projects if they are known.
    dirty: HashMap<ExportId, Option<ProjectId>>,
    /// How many reads have begun.
    reads: u64,
}

struct Watched {
    seen: watch::Sender<Seen>,
    watches: usize,
    /// A watch waits for the next read, whatever it finds.
    is_wanted: bool,
}

/// A read for all waiters.
pub(super) struct Read {
    number: u64,
    pub(super) exports: HashMap<ExportId, Option<ProjectId>>,
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
        let watched = registry.exports.entry(id).or_insert_with(|| Watched {
            seen: watch::Sender::default(),
            watches: 0,
            is_wanted: false,
        });
        watched.watches += 1;
        watched.is_wanted = true;
        let seen = watched.seen.subscribe();
        registry.dirty.entry(id).or_default();
        let after = registry.reads;
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
        if let Some(watched) = registry.exports.get_mut(&id) {
            watched.watches -= 1;
            if watched.watches == 0 {
                registry.exports.remove(&id);
            }
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

    /// Marks the exports that somebody waits for. Others are ignored.
    pub(super) fn changed(&self, changes: Vec<Change>) {
        let mut registry = self.lock();
        let mut any = false;
        for Change { project, export } in changes {
            let is_project_watched = match &project {
                Some(project) => registry.projects.contains_key(project),
                None => !registry.projects.is_empty(),
            };
            if is_project_watched || registry.exports.contains_key(&export) {
                let known = registry.dirty.entry(export).or_default();
                *known = project.or_else(|| known.take());
                any = true;
            }
        }
        drop(registry);
        if any {
            self.dirty.notify_one();
        }
    }

    /// Marks everything that anybody waits for, and these exports.
    pub(super) fn mark_all(&self, further: Vec<(ProjectId, ExportId)>) {
        let mut registry = self.lock();
        let Registry {
            exports,
            projects,
            dirty,
            ..
        } = &mut *registry;
        for id in exports.keys() {
            dirty.entry(*id).or_default();
        }
        for (project, log) in projects {
            for id in log.known() {
                dirty.insert(id, Some(project.clone()));
            }
        }
        for (project, id) in further {
            dirty.insert(id, Some(project));
        }
        drop(registry);
        self.dirty.notify_one();
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

    /// Takes what has to be read, at most so many; `None` if nothing has.
    pub(super) fn next_read(&self, most: usize) -> Option<Read> {
        let mut registry = self.lock();
        if registry.dirty.is_empty() {
            return None;
        }
        let exports = if registry.dirty.len() <= most {
            std::mem::take(&mut registry.dirty)
        } else {
            let ids: Vec<_> = registry.dirty.keys().copied().take(most).collect();
            ids.into_iter()
                .filter_map(|id| registry.dirty.remove_entry(&id))
                .collect()
        };
        registry.reads += 1;
        Some(Read {
            number: registry.reads,
            exports,
        })
    }

    /// Passes the result of a read on to those who wait.
    pub(super) fn publish(&self, read: Read, found: &[Export]) {
        let mut rendered: HashMap<_, _> = found
            .iter()
            .map(|export| (export.id, Arc::new(Rendered::of(export))))
            .collect();
        let mut registry = self.lock();
        for (id, project) in read.exports {
            let export = rendered.remove(&id);
            let project = export
                .as_ref()
                .map(|export| &export.project)
                .or(project.as_ref());
            if let Some(log) = project.and_then(|project| registry.projects.get_mut(project)) {
                match &export {
                    Some(export) => log.found(export),
                    None => log.gone(id),
                }
            }
            if let Some(watched) = registry.exports.get_mut(&id) {
                watched.publish(read.number, export.map_or(Latest::Gone, Latest::Found));
            }
        }
    }

    /// A read failed. Those who wait for their first read get the error; the exports are read again.
    pub(super) fn failed(&self, read: Read, error: DatabaseError) {
        let error = Arc::new(error);
        let mut registry = self.lock();
        for (id, project) in read.exports {
            if let Some(watched) = registry.exports.get_mut(&id)
                && watched.is_wanted
            {
                let failed = Some((read.number, Arc::clone(&error)));
                watched.seen.send_modify(|seen| seen.failed = failed);
            }
            registry.dirty.entry(id).or_insert(project);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Wakes the waiters only if the export has changed, or if one of them waits for this read.
    fn publish(&mut self, read: u64, latest: Latest) {
        let is_wanted = std::mem::take(&mut self.is_wanted);
        self.seen.send_if_modified(|seen| {
            let is_same = match (&seen.latest, &latest) {
                (Some(Latest::Found(before)), Latest::Found(now)) => before.etag() == now.etag(),
                (Some(Latest::Gone), Latest::Gone) => true,
                _ => false,
            };
            seen.read = read;
            if !is_same {
                seen.latest = Some(latest);
            }
            is_wanted || !is_same
        });
    }
}
