//! How far an export has come that has not ended.

use chrono::{DateTime, Utc};

/// The last queue position that is counted. It means this position or a later one.
pub const MAX_QUEUE_POSITION: u16 = 1000;

/// The progress of an export at the moment of a read. It is not a part of the export's state: only a read
/// knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The export is pending.
    Queued {
        /// 1 is the next one. An estimate, up to [`MAX_QUEUE_POSITION`].
        position: u16,
    },
    /// The export is processing.
    Running(AttemptProgress),
}

/// The progress of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptProgress {
    /// Data rows.
    pub rows_written: u64,
    /// Bytes of the file.
    pub bytes_written: u64,
    /// 0 to 99, if something is known about the number of rows. Never decreases within an attempt.
    pub percent: Option<u8>,
    /// An estimate, in seconds.
    pub seconds_remaining: Option<u32>,
    /// When the worker reported this, or when the attempt started if it has not reported yet.
    pub updated_at: DateTime<Utc>,
}

impl AttemptProgress {
    /// An attempt that has not reported yet.
    #[must_use]
    pub fn started(at: DateTime<Utc>) -> Self {
        Self {
            rows_written: 0,
            bytes_written: 0,
            percent: None,
            seconds_remaining: None,
            updated_at: at,
        }
    }
}
