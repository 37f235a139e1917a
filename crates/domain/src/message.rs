//! A message as a file has it: one row, its values still in the bytes they were read from.

use chrono::{DateTime, Utc};

/// A time as `PostgreSQL` has it: microseconds since 2000-01-01 00:00 UTC. The two extremes are
/// its infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PgTimestamp(pub i64);

/// From 1970, where chrono counts from, to 2000, where `PostgreSQL` does.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

impl PgTimestamp {
    /// A time of ours, of which every one is a time of `PostgreSQL`'s.
    #[must_use]
    pub fn of(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros() - EPOCH_MICROS)
    }

    /// The time, if it is one of ours: not every one of `PostgreSQL`'s is.
    #[must_use]
    pub fn to_utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0.checked_add(EPOCH_MICROS)?)
    }
}

/// One message, its texts still in the chunk that it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRow<'a> {
    /// The message.
    pub id: Option<[u8; 16]>,
    /// Its endpoint.
    pub endpoint_id: Option<[u8; 16]>,
    /// Its status.
    pub status: Option<&'a str>,
    /// How often it was tried.
    pub attempt_count: Option<i32>,
    /// When it was created (inbound: received).
    pub created_at: Option<PgTimestamp>,
    /// When it was delivered.
    pub delivered_at: Option<PgTimestamp>,
    /// When it is tried next.
    pub next_attempt_at: Option<PgTimestamp>,
    /// The endpoint's last HTTP status.
    pub response_status: Option<i32>,
    /// The endpoint's last latency, in milliseconds.
    pub response_latency_ms: Option<i32>,
    /// From receipt to delivery, in milliseconds.
    pub total_delivery_ms: Option<i32>,
    /// What went wrong last.
    pub last_error: Option<&'a str>,
    /// Its endpoint's URL, if the rows bring it.
    pub url: Option<&'a str>,
}
