//! The latest changes of a project's exports, for its event streams.
//!
//! It has one entry per export, its latest event. So a stream that is slow skips states in between, but not the latest
//! one, and the memory is bounded.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use exports_domain::ExportId;
use tokio::sync::watch;

use super::rendered::{Digest, Rendered, deleted_event};

/// How many events are kept.
const EVENTS: usize = 512;
/// Of how many exports the state is known. Every few seconds all active exports are read, at most 3,000; one whose state
/// is not known would be an event each time.
const KNOWN: usize = 4096;
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

/// The state of an export, without its bytes.
#[derive(Debug)]
struct Known {
    export: Digest,
    /// The number of its event; `None` if there is none any more.
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
    pub(super) fn seed(&mut self, export: &Rendered) {
        if self.known.len() < KNOWN {
            self.known.entry(export.id).or_insert_with(|| Known {
                export: export.digest(),
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
    pub(super) fn found(&mut self, export: &Rendered) {
        let (now, digest) = (Instant::now(), export.digest());
        if let Some(known) = self.known.get(&export.id) {
            let is_same = known.export == digest;
            let is_early = known.export.is_progress(&digest)
                && known.event.is_some()
                && now - known.at < PROGRESS_INTERVAL;
            if is_same || is_early {
                return;
            }
        }
        let number = self.push(export.id, export.event());
        let known = Known {
            export: digest,
            event: Some(number),
            at: now,
        };
        if self.known.len() >= KNOWN {
            // Those that may change are read again and again, so they are the ones to know.
            let is_kept = |known: &Known| known.event.is_some() || !known.export.is_terminal();
            self.known.retain(|_, known| is_kept(known));
        }
        if self.known.len() >= KNOWN {
            self.known.retain(|_, known| known.event.is_some());
        }
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
        while self.events.len() > EVENTS {
            if let Some((number, (id, _))) = self.events.pop_first()
                && let Some(known) = self.known.get_mut(&id)
                && known.event == Some(number)
            {
                known.event = None;
            }
        }
        self.latest.send_replace(number);
        number
    }
}

#[cfg(test)]
mod tests {
    use exports_domain::{Export, ExportState, Progress};

    use super::*;
    use crate::live::rendered::tests::pending;

    fn rendered(export: &Export) -> Rendered {
        Rendered::of(export)
    }

    fn numbers(log: &ProjectLog) -> usize {
        usize::try_from(*log.latest.borrow()).unwrap()
    }

    #[test]
    fn exports_that_do_not_change_are_no_events_however_many_there_are() {
        let mut log = ProjectLog::new();
        let exports: Vec<_> = (0..3000).map(|_| pending()).collect();
        // A stream has sent half of them at its start.
        for export in &exports[..1500] {
            log.seed(&rendered(export));
        }
        for _ in 0..3 {
            for export in &exports {
                log.found(&rendered(export));
            }
        }
        assert_eq!(numbers(&log), 1500);
        assert_eq!(log.events.len(), EVENTS);

        let mut changed = exports[7].clone();
        changed.progress = Some(Progress::Queued { position: 3 });
        log.found(&rendered(&changed));
        assert_eq!(numbers(&log), 1501);
    }

    #[test]
    fn the_memory_is_bounded_and_active_exports_stay_known() {
        let mut log = ProjectLog::new();
        let active: Vec<_> = (0..3000).map(|_| pending()).collect();
        for export in &active {
            log.found(&rendered(export));
        }
        let before = numbers(&log);
        for _ in 0..2 * KNOWN {
            let started_at = "2025-12-06T12:00:30Z".parse().unwrap();
            let failure = exports_domain::Failure {
                code: exports_domain::FailureCode::Canceled,
                message: "why".to_owned(),
            };
            let state = ExportState::Failed {
                started_at: Some(started_at),
                failure,
            };
            log.found(&rendered(&Export { state, ..pending() }));
            assert!(log.known.len() <= KNOWN);
        }
        for export in &active {
            log.found(&rendered(export));
        }
        assert_eq!(numbers(&log), before + 2 * KNOWN);
    }
}
