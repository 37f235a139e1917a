//! Stretches of a source's time, in its own unit: whole microseconds, in which no message lies
//! between two neighbours.

use chrono::{DateTime, SecondsFormat, Utc};
use exports_domain::{PgTimestamp, TimeRange};

use crate::error::Error;

/// What `micros_of` gave.
pub(crate) fn parse_micros(micros: &str) -> Result<PgTimestamp, Error> {
    micros
        .parse()
        .map(PgTimestamp)
        .map_err(|_| Error::UnexpectedAnswer("a query for a time"))
}

/// The literal in a statement. Only for times within a [`TimeRange`], as those of slices are.
pub(crate) fn literal(time: PgTimestamp) -> String {
    let text = time
        .to_utc()
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
        .to_rfc3339_opts(SecondsFormat::Micros, true);
    format!("'{text}'::timestamptz")
}

/// The expression that gives a column's time in this unit.
pub(crate) fn micros_of(column: &str) -> String {
    let epoch = literal(PgTimestamp(0));
    format!("(extract(epoch FROM {column}::timestamptz - {epoch}) * 1000000)::int8")
}

/// A stretch of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSlice {
    /// Its first microsecond.
    pub first: PgTimestamp,
    /// Its last, not before the first.
    pub last: PgTimestamp,
}

impl TimeSlice {
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
