//! What has to be read for those who wait, and the distribution of what the reads find.

use std::collections::HashMap;
use std::sync::Arc;

use exports_database::{Change, Error as DatabaseError};
use exports_domain::{Export, ExportId, ProjectId};

use super::hub::{Hub, Registry};
use super::rendered::Rendered;
use super::watch::Latest;

/// A read for all waiters.
pub(super) struct Read {
    number: u64,
    pub(super) exports: HashMap<ExportId, Option<ProjectId>>,
}

impl Hub {
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
            if let Some(watched) = registry.exports.get(&id) {
                watched.failed(read.number, &error);
            }
            registry.dirty.entry(id).or_insert(project);
        }
    }
}
