//! What has to be read for those who wait, and the distribution of what the reads find.

use std::collections::HashMap;
use std::sync::Arc;

use exports_database::{Change, Error as DatabaseError};
use exports_domain::{Export, ExportId, ProjectId};

use super::hub::{Hub, Registry};
use super::rendered::Rendered;
use super::watch::Latest;

/// How many exports of a read are rendered and then passed on at a time.
const RENDERED_TOGETHER: usize = 128;

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

    /// Passes the result of a read on to those who wait. In parts: a read of everything finds thousands of exports,
    /// most of them unchanged, and their JSON takes more memory than they do.
    pub(super) fn publish(&self, mut read: Read, found: &[Export]) {
        for some in found.chunks(RENDERED_TOGETHER) {
            let rendered: Vec<_> = some.iter().map(Rendered::of).map(Arc::new).collect();
            let mut registry = self.lock();
            for export in rendered {
                read.exports.remove(&export.id);
                if let Some(log) = registry.projects.get_mut(&export.project) {
                    log.found(&export);
                }
                registry.publish(read.number, export.id, Latest::Found(export));
            }
        }
        let mut registry = self.lock();
        for (id, project) in read.exports {
            if let Some(log) = project.and_then(|project| registry.projects.get_mut(&project)) {
                log.gone(id);
            }
            registry.publish(read.number, id, Latest::Gone);
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

impl Registry {
    fn publish(&mut self, read: u64, id: ExportId, latest: Latest) {
        if let Some(watched) = self.exports.get_mut(&id) {
            watched.publish(read, latest);
        }
    }
}
