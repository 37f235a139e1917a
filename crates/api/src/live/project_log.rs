//! The latest changes of a project's exports, for its event streams.
//!
//! It has one entry per export, its latest event. So a stream that is slow skips states in between, but not the latest
//! one, and the memory is bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use exports_domain::ExportId;
use tokio::sync::watch;

use super::rendered::{Rendered, deleted_event};

/// How many exports are remembered.
const CAPACITY: usize = 512;
/// The least time between two events of an export that differ only in its progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(950);

/// The log of one project.
#[derive(Debug)]
pub(super) struct ProjectLog {
    /// The events that streams have to send, by their numbers.
    events: BTreeMap<u64, (ExportId, Bytes)>,
    known: HashMap<ExportId, Known>,
    /// The number of the latest event. Streams wait for its change.
    latest: watch::Sender<u64>,
    /// How many streams there are.
    pub(super) streams: usize,
}

#[derive(Debug)]
struct Known {
    export: Arc<Rendered>,
    /// The number of its event; `None` if it has not changed since the log began.
    event: Option<u64>,
    at: Instant,
}

impl ProjectLog {
    pub(super) fn new() -> Self {
        Self {
            events: BTreeMap::new(),
            known: HashMap::new(),
            latest: watch::Sender::new(0),
            streams: 0,
        }
    }

    /// Receives the number of the latest event.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Exports whose state is known, so that a read of the same state is no change.
    pub(super) fn seed(&mut self, export: &Arc<Rendered>) {
        if self.known.len() < CAPACITY {
            self.known.entry(export.id).or_insert_with(|| Known {
                export: Arc::clone(export),
                event: None,
                at: Instant::now(),
            });
        }
    }

    /// The exports that are known and may change.
    pub(super) fn known(&self) -> impl Iterator<Item = ExportId> {
        self.known.keys().copied()
    }

    /// An export was read.
    pub(super) fn found(&mut self, export: &Arc<Rendered>) {
        let now = Instant::now();
        if let Some(known) = self.known.get(&export.id) {
            let is_same = known.export.etag() == export.etag();
            let is_early = known.export.is_progress(export)
                && known.event.is_some()
                && now - known.at < PROGRESS_INTERVAL;
            if is_same || is_early {
                return;
            }
        }
        let number = self.push(export.id, export.event());
        let known = Known {
            export: Arc::clone(export),
            event: Some(number),
            at: now,
        };
        self.known.insert(export.id, known);
    }

    /// An export was read and does not exist.
    pub(super) fn gone(&mut self, id: ExportId) {
        self.push(id, deleted_event(id));
        self.known.remove(&id);
    }

    /// The events after this number, at most so many, and the number of the last.
    pub(super) fn after(&self, number: u64, most: usize) -> (Vec<Bytes>, u64) {
        let events = self.events.range(number + 1..).take(most);
        let mut last = number;
        let events = events.map(|(number, (_, event))| {
            last = *number;
            event.clone()
        });
        (events.collect(), last)
    }

    fn push(&mut self, id: ExportId, event: Bytes) -> u64 {
        if let Some(before) = self.known.get(&id).and_then(|known| known.event) {
            self.events.remove(&before);
        }
        let number = *self.latest.borrow() + 1;
        self.events.insert(number, (id, event));
        while self.events.len() > CAPACITY {
            if let Some((number, (id, _))) = self.events.pop_first()
                && self
                    .known
                    .get(&id)
                    .is_some_and(|known| known.event == Some(number))
            {
                self.known.remove(&id);
            }
        }
        self.latest.send_replace(number);
        number
    }
}
