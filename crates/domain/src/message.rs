//! A message row, borrowed from the bytes that it was read from.

use chrono::{DateTime, Utc};

/// A `timestamptz` of `PostgreSQL`: microseconds since 2000-01-01 00:00 UTC. The minimum and the maximum
/// are its infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PgTimestamp(pub i64);

/// From the epoch of chrono (1970) to the epoch of `PostgreSQL` (2000).
const EPOCH_MICROS: i64 = 946_684_800_000_000;

impl PgTimestamp {
    /// Converts a time. `PostgreSQL` can represent every `DateTime`.
    #[must_use]
    pub fn of(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros() - EPOCH_MICROS)
    }

    /// The time; `None` if it is outside the range of `DateTime`.
    #[must_use]
    pub fn to_utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0.checked_add(EPOCH_MICROS)?)
    }
}

/// One message. Its texts borrow from the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRow<'a> {
    /// Its id.
    pub id: Option<[u8; 16]>,
    /// The id of its endpoint.
    pub endpoint_id: Option<[u8; 16]>,
    /// Its status.
    pub status: Option<&'a str>,
    /// Number of attempts.
    pub attempt_count: Option<i32>,
    /// Time of creation (inbound: of receipt).
    pub created_at: Option<PgTimestamp>,
    /// Time of delivery.
    pub delivered_at: Option<PgTimestamp>,
    /// Time of the next attempt.
    pub next_attempt_at: Option<PgTimestamp>,
    /// HTTP status of the latest attempt.
    pub response_status: Option<i32>,
    /// Latency of the latest attempt, in milliseconds.
    pub response_latency_ms: Option<i32>,
    /// Time from receipt to delivery, in milliseconds.
    pub total_delivery_ms: Option<i32>,
    /// Error of the latest attempt.
    pub last_error: Option<&'a str>,
    /// The URL of its endpoint, if the statement selects it.
    pub url: Option<&'a str>,
}
