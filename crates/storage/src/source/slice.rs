//! Stretches of a source's time, in its own unit: whole microseconds, in which no message lies
//! between two neighbours.

use chrono::{DateTime, SecondsFormat, Utc};
use exports_domain::TimeRange;

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

    /// The literal in a statement. Only for times within a [`TimeRange`], as those of slices are.
    pub(super) fn literal(self) -> String {
        let time = DateTime::from_timestamp_micros(self.0.saturating_add(EPOCH_MICROS));
        let text = time
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
            .to_rfc3339_opts(SecondsFormat::Micros, true);
        format!("'{text}'::timestamptz")
    }
}

/// A stretch of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Its first microsecond.
    pub first: PgTimestamp,
    /// Its last, not before the first.
    pub last: PgTimestamp,
}

impl Slice {
    /// All of a range.
    #[must_use]
    pub fn whole(range: &TimeRange) -> Self {
        Self {
            first: PgTimestamp::of(range.start()),
            last: PgTimestamp::of(range.end()),
        }
    }

    /// How many microseconds it has: one or more.
    #[must_use]
    pub fn width(&self) -> i64 {
        self.last.0 - self.first.0 + 1
    }
}
