//! Stretches of a source's time, in its own unit: whole microseconds, in which no message lies
//! between two neighbours.

use chrono::{DateTime, SecondsFormat, Utc};
use exports_domain::TimeRange;

use crate::error::Error;

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
    pub(super) fn to_utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0.checked_add(EPOCH_MICROS)?)
    }

    /// What `micros_of` gave.
    pub(super) fn parse(micros: &str) -> Result<Self, Error> {
        micros.parse().map(Self).map_err(|_| Error::Desynchronised)
    }

    /// The literal in a statement. Only for times within a [`TimeRange`], as those of slices are.
    pub(super) fn literal(self) -> String {
        let text = self
            .to_utc()
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
            .to_rfc3339_opts(SecondsFormat::Micros, true);
        format!("'{text}'::timestamptz")
    }
}

/// The expression that gives a column's time in this unit.
pub(super) fn micros_of(column: &str) -> String {
    let epoch = PgTimestamp(0).literal();
    format!("(extract(epoch FROM {column}::timestamptz - {epoch}) * 1000000)::int8")
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
