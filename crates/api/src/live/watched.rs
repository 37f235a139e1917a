//! An export that somebody waits for, and what all its watches see.

use std::sync::Arc;

use exports_database::Error as DatabaseError;
use tokio::sync::watch;

use super::watch::{Latest, Seen};

#[derive(Default)]
pub(super) struct Watched {
    seen: watch::Sender<Seen>,
    watches: usize,
    /// A watch waits for a read with a higher number, whatever it finds.
    wanted_after: Option<u64>,
}

impl Watched {
    /// Begins a watch, which waits for a read that begins after this one.
    pub(super) fn watch(&mut self, after: u64) -> watch::Receiver<Seen> {
        self.watches += 1;
        self.wanted_after = Some(after);
        self.seen.subscribe()
    }

    /// Ends a watch. Returns whether it was the last one.
    pub(super) fn unwatch(&mut self) -> bool {
        self.watches -= 1;
        self.watches == 0
    }

    /// Wakes the waiters only if the export has changed, or if one of them waits for this read.
    pub(super) fn publish(&mut self, read: u64, latest: Latest) {
        let is_wanted = self.wanted_after.is_some();
        // A read that had begun before the watch does not end its waiting.
        self.wanted_after = self.wanted_after.filter(|after| read <= *after);
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
        if self.wanted_after.is_some() {
            let failed = Some((read, Arc::clone(error)));
            self.seen.send_modify(|seen| seen.failed = failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_began_during_a_read_is_woken_by_the_next_one_even_if_nothing_has_changed() {
        let mut watched = Watched::default();
        let mut seen = watched.watch(7);
        // Read 7 was under way, and has already found the last state.
        watched.publish(7, Latest::Gone);
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        watched.publish(8, Latest::Gone);
        assert!(
            seen.has_changed().unwrap(),
            "read 8 is the first of this watch"
        );
        seen.mark_unchanged();
        watched.publish(9, Latest::Gone);
        assert!(
            !seen.has_changed().unwrap(),
            "nothing has changed, and nobody waits"
        );
    }
}
