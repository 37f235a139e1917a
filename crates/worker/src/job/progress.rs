//! The progress of an attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exports_database::Progress;

/// The progress that the pipeline counts and the heartbeat reports.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedProgress {
    rows: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl SharedProgress {
    /// Counts encoded rows.
    pub(crate) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Counts bytes that the upload has taken.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The current progress. Rows and bytes are read one after the other, so they may differ slightly.
    pub(crate) fn load(&self) -> Progress {
        Progress {
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
