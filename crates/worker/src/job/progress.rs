//! The progress of an attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use exports_database::Progress;
use exports_source::WorkingTime;

use crate::job::completion::Known;

/// The progress that the pipeline counts, and the heartbeat and the reporter record.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedProgress {
    rows: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    /// The planner's estimate of all rows, plus one; 0: unknown.
    planned: Arc<AtomicU64>,
    /// The part of the time range that is read, in millionths, plus one; 0: unknown.
    share: Arc<AtomicU64>,
    is_read: Arc<AtomicBool>,
    waits_for_store: Arc<AtomicBool>,
    working: WorkingTime,
}

/// Changes whenever bytes arrive from the source or are taken by the upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    received: u64,
    written: u64,
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

    /// Counts bytes that have arrived from the source.
    pub(crate) fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The current progress. Rows and bytes are read one after the other, so they may differ slightly.
    pub(crate) fn load(&self) -> Progress {
        Progress {
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Records how many rows the planner expects.
    pub(crate) fn set_planned_rows(&self, rows: u64) {
        self.planned
            .store(rows.saturating_add(1), Ordering::Relaxed);
    }

    /// Records how much of the time range is read.
    pub(crate) fn set_share(&self, read: i64, whole: i64) {
        let millionths = i128::from(read) * 1_000_000 / i128::from(whole.max(1));
        let millionths = u64::try_from(millionths).unwrap_or(0).min(1_000_000);
        self.share.store(millionths + 1, Ordering::Relaxed);
    }

    /// Records that everything is read.
    pub(crate) fn set_read(&self) {
        self.is_read.store(true, Ordering::Relaxed);
    }

    /// What is known about how much is done.
    pub(crate) fn known(&self) -> Known {
        let share = self.share.load(Ordering::Relaxed).checked_sub(1);
        Known {
            rows: self.rows.load(Ordering::Relaxed),
            planned: self.planned.load(Ordering::Relaxed).checked_sub(1),
            share: share
                .and_then(|millionths| u32::try_from(millionths).ok())
                .map(|millionths| f64::from(millionths) / 1_000_000.0),
            is_read: self.is_read.load(Ordering::Relaxed),
        }
    }

    /// Equal to an earlier value if nothing has arrived or been written since.
    pub(crate) fn flow(&self) -> Flow {
        Flow {
            received: self.received.load(Ordering::Relaxed),
            written: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Marks the time of a request to the store.
    pub(crate) async fn waiting_for_store<T>(&self, request: impl Future<Output = T>) -> T {
        self.waits_for_store.store(true, Ordering::Relaxed);
        let answer = request.await;
        self.waits_for_store.store(false, Ordering::Relaxed);
        answer
    }

    /// Whether the attempt waits for the store.
    pub(crate) fn waits_for_store(&self) -> bool {
        self.waits_for_store.load(Ordering::Relaxed)
    }

    /// The time in which the source worked without sending rows.
    pub(crate) fn working(&self) -> &WorkingTime {
        &self.working
    }
}
