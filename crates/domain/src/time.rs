//! Times in the API: RFC 3339, microseconds, years 0001 to 9999.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};

/// An invalid time. The message says the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339, or without an offset.
    #[error("must be an RFC 3339 timestamp with an offset, such as 2025-12-01T00:00:00Z")]
    Malformed,
    /// Outside the years of RFC 3339.
    #[error("must be in the years 0001 to 9999 (UTC)")]
    OutOfRange,
}

/// Parses an RFC 3339 time with an offset. Digits beyond microseconds are truncated, never rounded.
pub fn parse(text: &str) -> Result<DateTime<Utc>, TimeError> {
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| TimeError::Malformed)?
        .to_utc();
    let time = truncate_to_micros(time);
    if (1..=9999).contains(&time.year()) {
        Ok(time)
    } else {
        Err(TimeError::OutOfRange)
    }
}

/// Formats a time in UTC with `Z` and 0, 3 or 6 fractional digits, as few as possible.
#[must_use]
pub fn to_wire(time: DateTime<Utc>) -> String {
    truncate_to_micros(time).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Truncates to the microseconds of PostgreSQL. A leap second becomes the next second, as in
/// PostgreSQL.
#[must_use]
pub fn truncate_to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    // The microseconds of every `DateTime<Utc>` are in range, so the fallback is never used.
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Result<String, TimeError> {
        parse(text).map(to_wire)
    }

    #[test]
    fn fractions_are_truncated_and_formatted_with_0_3_or_6_digits() {
        for (read, written) in [
            ("2025-12-01T00:00:00Z", "2025-12-01T00:00:00Z"),
            ("2025-12-01T02:00:00.5+02:00", "2025-12-01T00:00:00.500Z"),
            ("2025-12-01T00:00:00.000001Z", "2025-12-01T00:00:00.000001Z"),
            (
                "2025-12-01T00:00:00.999999999Z",
                "2025-12-01T00:00:00.999999Z",
            ),
            (
                "1900-01-01T00:00:00.9999999Z",
                "1900-01-01T00:00:00.999999Z",
            ),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                "9999-12-31T23:59:59.999999Z",
            ),
        ] {
            assert_eq!(wire(read).as_deref(), Ok(written), "{read}");
        }
    }

    #[test]
    fn times_without_an_offset_or_outside_the_years_are_invalid() {
        for bad in [
            "",
            "2025-12-01",
            "2025-12-01T00:00:00",
            "yesterday",
            "1733011200",
        ] {
            assert_eq!(wire(bad), Err(TimeError::Malformed), "{bad}");
        }
        for bad in [
            "0000-06-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(wire(bad), Err(TimeError::OutOfRange), "{bad}");
        }
    }
}
