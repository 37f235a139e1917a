//! One waiter's view of one export.

use std::sync::Arc;

use exports_database::Error as DatabaseError;
use exports_domain::{ExportId, ProjectId};
use tokio::sync::watch;

use super::hub::Hub;
use super::rendered::Rendered;

/// An export as the latest read found it.
#[derive(Debug, Clone)]
pub(crate) enum Latest {
    /// It was read.
    Found(Arc<Rendered>),
    /// There is no such export, or it was deleted.
    Gone,
}

/// What is known about an export that somebody waits for.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// `None` before the first read.
    pub(super) latest: Option<Latest>,
    /// The number of the read that found it.
    pub(super) read: u64,
    /// The number of the latest read that failed, and its error.
    pub(super) failed: Option<(u64, Arc<DatabaseError>)>,
}

/// Watches an export until it is dropped.
pub(crate) struct Watch {
    pub(super) hub: Arc<Hub>,
    pub(super) id: ExportId,
    pub(super) project: ProjectId,
    pub(super) seen: watch::Receiver<Seen>,
    /// The number of the latest read that had begun before the watch.
    pub(super) after: u64,
}

impl Watch {
    /// The id of the export.
    pub(crate) fn id(&self) -> ExportId {
        self.id
    }

    /// The export as it is now: a read that has begun after the watch.
    pub(crate) async fn first(&mut self) -> Result<Latest, Arc<DatabaseError>> {
        let after = self.after;
        let is_new = |seen: &Seen| {
            seen.read > after || seen.failed.as_ref().is_some_and(|(read, _)| *read > after)
        };
        let Ok(seen) = self.seen.wait_for(is_new).await else {
            return Ok(Latest::Gone);
        };
        match &seen.failed {
            Some((_, error)) if seen.read <= after => Err(Arc::clone(error)),
            _ => Ok(mine(&self.project, seen.latest.as_ref())),
        }
    }

    /// Waits until the export differs from this state. It may be deleted.
    pub(crate) async fn differs_from(&mut self, known: Option<&str>) -> Latest {
        let after = self.after;
        let differs = |seen: &Seen| match &seen.latest {
            _ if seen.read <= after => false,
            Some(Latest::Found(found)) => known != Some(found.etag()),
            Some(Latest::Gone) => true,
            None => false,
        };
        match self.seen.wait_for(differs).await {
            Ok(seen) => mine(&self.project, seen.latest.as_ref()),
            Err(_) => Latest::Gone,
        }
    }
}

/// An export of another project does not exist for this one.
fn mine(project: &ProjectId, latest: Option<&Latest>) -> Latest {
    match latest {
        Some(Latest::Found(found)) if found.project == *project => Latest::Found(Arc::clone(found)),
        _ => Latest::Gone,
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.unwatch(self.id);
    }
}
