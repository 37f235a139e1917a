//! Times in the API: RFC 3339, microseconds, years 0001 to 9999.

mod other_forms;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};

use other_forms::{Meaning, meaning};

/// An invalid time. The message says the rule and, where the text has another common form, the corrected one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a time.
    #[error("must be an RFC 3339 timestamp with an offset, such as 2025-12-01T00:00:00Z")]
    Malformed,
    /// Another form of this time.
    #[error("must be an RFC 3339 timestamp with an offset: use {0}")]
    OtherForm(String),
    /// The offset is missing. The time is this one if it is in UTC.
    #[error("must be an RFC 3339 timestamp with an offset: use {0} if it is in UTC")]
    NoOffset(String),
    /// A date without a time. It could be the start of the day or its end, in any zone.
    #[error(
        "must be an RFC 3339 timestamp with an offset: use {0}T00:00:00Z for the start of the day in UTC, \
         or {0}T23:59:59.999999Z for its end"
    )]
    NoTime(NaiveDate),
    /// Outside the years of RFC 3339.
    #[error("must be in the years 0001 to 9999 (UTC)")]
    OutOfRange,
}

/// Parses an RFC 3339 time with an offset. Digits beyond microseconds are truncated, never rounded.
///
/// As RFC 3339 allows, `t` and `z` may be lower-case, and a blank may replace the `T`. The seconds may be missing, because
/// Java leaves them out if they are zero. All other forms are errors, also if they can be understood: one of them may
/// mean something else than the writer thinks.
pub fn parse(text: &str) -> Result<DateTime<Utc>, TimeError> {
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time,
        Err(_) => {
            DateTime::parse_from_rfc3339(&with_seconds(text)?).map_err(|_| TimeError::Malformed)?
        }
    };
    let time = truncate_to_micros(time.to_utc());
    if (1..=9999).contains(&time.year()) {
        Ok(time)
    } else {
        Err(TimeError::OutOfRange)
    }
}

/// The time with its seconds, if only they are missing.
fn with_seconds(text: &str) -> Result<String, TimeError> {
    match meaning(text) {
        Some(Meaning::WithoutSeconds(time)) => Ok(time),
        Some(Meaning::Time(time)) => Err(TimeError::OtherForm(time)),
        Some(Meaning::WithoutOffset(time)) => Err(TimeError::NoOffset(time)),
        Some(Meaning::Date(date)) => Err(TimeError::NoTime(date)),
        None => Err(TimeError::Malformed),
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
    fn rfc_3339_in_its_variants_and_without_seconds_is_accepted() {
        for read in [
            "2025-12-01T10:15:00Z",
            "2025-12-01t10:15:00z",
            "2025-12-01 10:15:00Z",
            "2025-12-01T10:15Z",
            "2025-12-01 10:15z",
            "2025-12-01T11:15+01:00",
            "2025-12-01T05:15-05:00",
        ] {
            assert_eq!(wire(read).as_deref(), Ok("2025-12-01T10:15:00Z"), "{read}");
        }
    }

    #[test]
    fn another_form_is_refused_with_the_corrected_one() {
        for (given, corrected) in [
            ("2025-12-01T10:15:00+0100", "2025-12-01T10:15:00+01:00"),
            ("2025-12-01 10:15:00+01", "2025-12-01T10:15:00+01:00"),
            ("2025-12-01T10:15-0530", "2025-12-01T10:15:00-05:30"),
            ("2025-12-01 10:15:00.5 +0000", "2025-12-01T10:15:00.5+00:00"),
            ("2025-12-01 10:15:00 UTC", "2025-12-01T10:15:00Z"),
            ("2025-12-01T10:15:00,5Z", "2025-12-01T10:15:00.5Z"),
            ("2025-12-01T10:15:00Z ", "2025-12-01T10:15:00Z"),
            ("2025-12-01T10:15Z\n", "2025-12-01T10:15:00Z"),
            (
                "2025-12-01T10:15+01:00[Europe/Berlin]",
                "2025-12-01T10:15:00+01:00",
            ),
            ("2025-12-01T10:15Z[UTC]", "2025-12-01T10:15:00Z"),
        ] {
            let expected = TimeError::OtherForm(corrected.to_owned());
            assert_eq!(wire(given), Err(expected), "{given}");
            assert!(parse(corrected).is_ok(), "{corrected}");
        }
        for given in [
            "2025-12-01T10:15:00",
            "2025-12-01 10:15:00",
            "2025-12-01T10:15",
        ] {
            let expected = TimeError::NoOffset("2025-12-01T10:15:00Z".to_owned());
            assert_eq!(wire(given), Err(expected), "{given}");
        }
        let day = wire("2025-12-01").unwrap_err();
        assert!(matches!(day, TimeError::NoTime(_)));
        let message = day.to_string();
        for corrected in ["use 2025-12-01T00:00:00Z ", " 2025-12-01T23:59:59.999999Z "] {
            assert!(message.contains(corrected), "{message}");
        }
    }

    #[test]
    fn other_texts_and_times_outside_the_years_are_invalid() {
        for bad in [
            "",
            "yesterday",
            "1733011200",
            "20251201T101500Z",
            "2025-12-1",
            "2025-12-01T",
            "2025-12-01TZ",
            "2025-12-01T1:15Z",
            "2025-12-01T10Z",
            "2025-12-01T24:00Z",
            "2025-12-01T10:15:61Z",
            "2025-12-01T10:15+25:00",
            "2025-12-01T10:15+1",
            "2025-12-01T10:15[Europe/Berlin",
            "2025-12-01T10:15:00 Europe/Berlin",
            "2025-02-29",
            "2025-12-01T10:15:00\u{e9}",
            "2025-12-0\u{e9}",
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
