//! How far an attempt is: counted where the file is made, told by the heartbeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exports_database::Progress;

/// Two counts, shared by those who make the file and the heartbeat. They may be of two moments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    /// So many rows more are encoded.
    pub(crate) fn add_rows(&self, rows: u64) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// So many bytes more are on their way.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How far it is now.
    pub(crate) fn read(&self) -> Progress {
        Progress {
            rows: self.0.rows.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
        }
    }
}
