//! Times in a time zone.
//!
//! Rows are in the order of time, so most have the offset of the row before: an offset is looked up once for an
//! hour.

use std::ops::Range;

use chrono::{DateTime, Offset, TimeZone};
use exports_domain::{FileTimeZone, PgTimestamp};

use crate::fields::{OutOfRange, TimeField};

const SECOND: i64 = 1_000_000;
/// The seconds for which an offset is looked up at a time: an hour.
const SPAN: i64 = 3_600;
/// 2000-01-01 UTC, in seconds since 1970.
const EPOCH: i64 = 946_684_800;

/// Writes times in UTC as `2025-12-01T00:00:00.000000Z`, in a zone as `2025-12-01T01:00:00.000000+01:00`, each with
/// a comma after it.
///
/// RFC 3339 has offsets of whole minutes. Where a zone had another offset, its seconds are left out: the time is still the
/// same instant. The last zone had such an offset in 1972.
#[derive(Debug, Clone)]
pub(crate) struct ZonedTime {
    field: TimeField,
    zone: Option<Zone>,
}

#[derive(Debug, Clone)]
struct Zone {
    name: FileTimeZone,
    /// The times for which `offset` is known, in microseconds since 2000-01-01 UTC.
    known: Range<i64>,
    /// In microseconds.
    offset: i64,
    /// `+01:00,`
    text: [u8; 7],
}

impl ZonedTime {
    pub(crate) fn new(zone: FileTimeZone) -> Self {
        let zone = (zone != FileTimeZone::UTC).then_some(Zone {
            name: zone,
            known: 0..0,
            offset: 0,
            text: *b"+00:00,",
        });
        Self {
            field: TimeField::default(),
            zone,
        }
    }

    #[inline]
    pub(crate) fn push(
        &mut self,
        file: &mut Vec<u8>,
        time: Option<PgTimestamp>,
    ) -> Result<(), OutOfRange> {
        let (Some(zone), Some(PgTimestamp(micros))) = (&mut self.zone, time) else {
            return self.field.push(file, time);
        };
        if !zone.known.contains(&micros) {
            zone.look_up(micros)?;
        }
        let local = micros.checked_add(zone.offset).ok_or(OutOfRange)?;
        self.field.push(file, Some(PgTimestamp(local)))?;
        // In the place of `Z,`.
        file.truncate(file.len() - 2);
        file.extend_from_slice(&zone.text);
        Ok(())
    }
}

impl Zone {
    /// Looks up the offset at this time, and the times around it that have the same one.
    fn look_up(&mut self, micros: i64) -> Result<(), OutOfRange> {
        let second = micros.div_euclid(SECOND);
        let first = second - second.rem_euclid(SPAN);
        let offset = self.offset_at(second)?;
        // A zone has at most one transition in a span.
        let mut known = first..first + SPAN;
        if self.offset_at(known.start)? != offset {
            known.start = self.transition(known.start, second)?;
        } else if self.offset_at(known.end - 1)? != offset {
            known.end = self.transition(second, known.end - 1)?;
        }
        let minutes = offset / 60;
        let (sign, hours, minutes) = (minutes < 0, minutes.abs() / 60, minutes.abs() % 60);
        let sign = if sign { b'-' } else { b'+' };
        let digit = |number: i32| b'0' + u8::try_from(number).unwrap_or_default();
        self.text = [
            sign,
            digit(hours / 10),
            digit(hours % 10),
            b':',
            digit(minutes / 10),
            digit(minutes % 10),
            b',',
        ];
        self.offset = i64::from(offset / 60) * 60 * SECOND;
        self.known = known.start * SECOND..known.end * SECOND;
        Ok(())
    }

    /// The first second with the offset of `late`, which `early` does not have.
    fn transition(&self, mut early: i64, mut late: i64) -> Result<i64, OutOfRange> {
        let offset = self.offset_at(late)?;
        while late - early > 1 {
            let middle = early.midpoint(late);
            if self.offset_at(middle)? == offset {
                late = middle;
            } else {
                early = middle;
            }
        }
        Ok(late)
    }

    /// The offset in seconds at a second since 2000-01-01 UTC.
    fn offset_at(&self, second: i64) -> Result<i32, OutOfRange> {
        let time = DateTime::from_timestamp(second + EPOCH, 0).ok_or(OutOfRange)?;
        let zone = self.name.tz();
        Ok(zone
            .offset_from_utc_datetime(&time.naive_utc())
            .fix()
            .local_minus_utc())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{SecondsFormat, Utc};
    use proptest::prelude::*;

    use super::*;

    const ZONES: [&str; 10] = [
        "Europe/Berlin",
        "America/New_York",
        "America/St_Johns",
        "Asia/Kathmandu",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Pacific/Apia",
        "America/Caracas",
        "Antarctica/Troll",
    ];
    const YEAR_1970: i64 = -EPOCH;
    const YEAR_2038: i64 = 1_199_232_000;

    fn zone(name: &str) -> FileTimeZone {
        name.parse().unwrap()
    }

    fn written(time: &mut ZonedTime, micros: i64) -> String {
        let mut file = Vec::new();
        time.push(&mut file, Some(PgTimestamp(micros))).unwrap();
        assert_eq!(file.pop(), Some(b','));
        String::from_utf8(file).unwrap()
    }

    /// As chrono-tz writes it.
    fn expected(zone: FileTimeZone, micros: i64) -> String {
        let time = DateTime::<Utc>::from_timestamp_micros(micros + EPOCH * SECOND).unwrap();
        time.with_timezone(&zone.tz())
            .to_rfc3339_opts(SecondsFormat::Micros, false)
    }

    /// Every second at which the offset changes.
    fn transitions(zone: FileTimeZone) -> Vec<i64> {
        let lookup = ZonedTime::new(zone).zone.unwrap();
        let offset = |second| lookup.offset_at(second).unwrap();
        let spans = (YEAR_1970..YEAR_2038).step_by(21_600);
        spans
            .filter(|span| offset(*span) != offset(span + 21_600))
            .map(|span| lookup.transition(span, span + 21_600).unwrap())
            .collect()
    }

    #[test]
    fn times_around_every_transition_are_written_as_by_chrono_tz() {
        let mut all = 0;
        for name in ZONES {
            let zone = zone(name);
            let mut in_order = ZonedTime::new(zone);
            let transitions = transitions(zone);
            all += transitions.len();
            for transition in transitions {
                let transition = transition * SECOND;
                for distance in [
                    -3_600 * SECOND,
                    -SECOND,
                    -1,
                    0,
                    1,
                    3_599 * SECOND,
                    3_600 * SECOND,
                ] {
                    let micros = transition + distance;
                    let expected = expected(zone, micros);
                    assert_eq!(written(&mut in_order, micros), expected, "{name}");
                    assert_eq!(
                        written(&mut ZonedTime::new(zone), micros),
                        expected,
                        "{name}"
                    );
                }
            }
        }
        assert!(all > 600, "only {all} transitions were found");
    }

    proptest! {
        #[test]
        fn any_times_in_any_order_are_written_as_by_chrono_tz(
            name in prop::sample::select(ZONES.to_vec()),
            times in prop::collection::vec(YEAR_1970 * SECOND..YEAR_2038 * SECOND, 1..20),
        ) {
            let zone = zone(name);
            let mut time = ZonedTime::new(zone);
            for micros in times {
                prop_assert_eq!(written(&mut time, micros), expected(zone, micros));
            }
        }
    }

    #[test]
    fn seconds_of_an_offset_are_left_out_and_the_instant_stays() {
        let mut time = ZonedTime::new(zone("Africa/Monrovia"));
        // 1971-06-01T00:00:00Z, when the offset was -00:44:30.
        let micros = (44_582_400 - EPOCH) * SECOND;
        assert_eq!(
            written(&mut time, micros),
            "1971-05-31T23:16:00.000000-00:44"
        );
    }

    #[test]
    fn a_time_whose_local_year_has_five_digits_is_out_of_range() {
        let mut file = Vec::new();
        let last = PgTimestamp(252_455_615_999_999_999);
        let mut east = ZonedTime::new(zone("Asia/Tokyo"));
        assert_eq!(east.push(&mut file, Some(last)), Err(OutOfRange));
        let mut west = ZonedTime::new(zone("America/Caracas"));
        assert_eq!(west.push(&mut file, Some(last)), Ok(()));
        let mut utc = ZonedTime::new(FileTimeZone::UTC);
        assert_eq!(written(&mut utc, 0), "2000-01-01T00:00:00.000000Z");
    }
}
