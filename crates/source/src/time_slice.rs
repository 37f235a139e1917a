//! Time slices, in whole microseconds as PostgreSQL stores time. So no message is between two
//! adjacent slices.

use chrono::{DateTime, SecondsFormat, Utc};
use exports_domain::{PgTimestamp, TimeRange};

use crate::error::Error;

/// Parses the result of [`micros_of`].
pub(crate) fn parse_micros(micros: &str) -> Result<PgTimestamp, Error> {
    micros
        .parse()
        .map(PgTimestamp)
        .map_err(|_| Error::UnexpectedAnswer("a query for a time"))
}

/// The SQL literal of a time. The time must be within a [`TimeRange`].
pub(crate) fn literal(time: PgTimestamp) -> String {
    let text = time
        .to_utc()
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
        .to_rfc3339_opts(SecondsFormat::Micros, true);
    format!("'{text}'::timestamptz")
}

/// The SQL expression of a column's time in microseconds.
pub(crate) fn micros_of(column: &str) -> String {
    let epoch = literal(PgTimestamp(0));
    format!("(extract(epoch FROM {column}::timestamptz - {epoch}) * 1000000)::int8")
}

/// A time slice. Both ends are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSlice {
    /// The first microsecond.
    pub first: PgTimestamp,
    /// The last microsecond, not before the first.
    pub last: PgTimestamp,
}

impl TimeSlice {
    /// The whole range.
    #[must_use]
    pub fn whole(range: &TimeRange) -> Self {
        Self {
            first: PgTimestamp::of(range.start()),
            last: PgTimestamp::of(range.end()),
        }
    }

    /// The number of microseconds, at least one.
    #[must_use]
    pub fn width(&self) -> i64 {
        self.last.0 - self.first.0 + 1
    }
}
