//! An export that somebody waits for, and what all its watches see.

use std::sync::Arc;

use exports_database::Error as DatabaseError;
use tokio::sync::watch;

use super::watch::{Latest, Seen};

#[derive(Default)]
pub(super) struct Watched {
    seen: watch::Sender<Seen>,
    watches: usize,
    /// A watch waits for the next read, whatever it finds.
    is_wanted: bool,
}

impl Watched {
    /// Begins a watch.
    pub(super) fn watch(&mut self) -> watch::Receiver<Seen> {
        self.watches += 1;
        self.is_wanted = true;
        self.seen.subscribe()
    }

    /// Ends a watch. Returns whether it was the last one.
    pub(super) fn unwatch(&mut self) -> bool {
        self.watches -= 1;
        self.watches == 0
    }

    /// Wakes the waiters only if the export has changed, or if one of them waits for this read.
    pub(super) fn publish(&mut self, read: u64, latest: Latest) {
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

    /// Tells a watch that waits for this read about its error. Others keep what they know.
    pub(super) fn failed(&self, read: u64, error: &Arc<DatabaseError>) {
        if self.is_wanted {
            let failed = Some((read, Arc::clone(error)));
            self.seen.send_modify(|seen| seen.failed = failed);
        }
    }
}
