//! The cells that have a form: how ids, numbers and times are written. None of them ever needs
//! quotes; those that may are in `csv`.

use chrono::{DateTime, Datelike};
use exports_storage::source::PgTimestamp;

/// A time that RFC 3339 cannot express: infinite, or outside the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnwritableTime;

/// `01935abcdef071234567890abcdef012`.
pub(crate) fn hex(id: [u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(id) {
        pair.copy_from_slice(&HEX[usize::from(byte)]);
    }
    text
}

/// `01935abc-def0-7123-4567-890abcdef012`.
pub(crate) fn uuid(id: [u8; 16]) -> [u8; 36] {
    let hex = hex(id);
    let mut text = [b'-'; 36];
    text[..8].copy_from_slice(&hex[..8]);
    text[9..13].copy_from_slice(&hex[8..12]);
    text[14..18].copy_from_slice(&hex[12..16]);
    text[19..23].copy_from_slice(&hex[16..20]);
    text[24..].copy_from_slice(&hex[20..]);
    text
}

/// Digits, with a minus where it belongs.
pub(crate) fn push_int(csv: &mut Vec<u8>, number: Option<i32>) {
    if let Some(number) = number {
        csv.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from 1970-01-01, chrono's epoch, to 2000-01-01, `PostgreSQL`'s.
const EPOCH_DAYS: i64 = 10_957;

/// Writes times: `2025-12-01T00:00:00.000000Z`. Most rows share their day with the row before, so
/// the date is written once.
#[derive(Debug)]
pub(crate) struct TimeCell {
    text: [u8; 27],
    /// The day whose date `text` holds, in days since 2000-01-01.
    day: Option<i64>,
}

impl Default for TimeCell {
    fn default() -> Self {
        Self {
            text: *b"0000-00-00T00:00:00.000000Z",
            day: None,
        }
    }
}

impl TimeCell {
    /// Writes the time; nothing for none.
    pub(crate) fn push(
        &mut self,
        csv: &mut Vec<u8>,
        time: Option<PgTimestamp>,
    ) -> Result<(), UnwritableTime> {
        let Some(PgTimestamp(micros)) = time else {
            return Ok(());
        };
        let day = micros.div_euclid(MICROS_PER_DAY);
        if self.day != Some(day) {
            self.write_date(day)?;
        }
        let micros = micros.rem_euclid(MICROS_PER_DAY);
        let seconds = micros / 1_000_000;
        self.digits(11, 2, seconds / 3600);
        self.digits(14, 2, seconds / 60 % 60);
        self.digits(17, 2, seconds % 60);
        self.digits(20, 6, micros % 1_000_000);
        csv.extend_from_slice(&self.text);
        Ok(())
    }

    fn write_date(&mut self, day: i64) -> Result<(), UnwritableTime> {
        let date =
            DateTime::from_timestamp((day + EPOCH_DAYS) * 86_400, 0).ok_or(UnwritableTime)?;
        let year = date.year();
        if !(1..=9999).contains(&year) {
            return Err(UnwritableTime);
        }
        self.digits(0, 4, year.into());
        self.digits(5, 2, date.month().into());
        self.digits(8, 2, date.day().into());
        self.day = Some(day);
        Ok(())
    }

    fn digits(&mut self, at: usize, count: usize, mut number: i64) {
        for place in self.text[at..at + count].iter_mut().rev() {
            // A remainder of ten is one digit.
            *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn expected(micros: i64) -> Option<String> {
        let unix = micros.checked_add(EPOCH_DAYS * MICROS_PER_DAY)?;
        let time = DateTime::from_timestamp_micros(unix)?;
        (1..=9999)
            .contains(&time.year())
            .then(|| time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    fn written(cell: &mut TimeCell, micros: i64) -> Option<String> {
        let mut csv = Vec::new();
        cell.push(&mut csv, Some(PgTimestamp(micros))).ok()?;
        Some(String::from_utf8(csv).unwrap())
    }

    proptest! {
        #[test]
        fn times_are_written_as_chrono_writes_them(
            times in prop::collection::vec(prop_oneof![
                -63_082_281_600_000_000_i64 - MICROS_PER_DAY..252_455_616_000_000_000,
                -MICROS_PER_DAY..MICROS_PER_DAY,
                any::<i64>(),
            ], 1..20)
        ) {
            let mut cell = TimeCell::default();
            for micros in times {
                prop_assert_eq!(written(&mut cell, micros), expected(micros));
            }
        }
    }

    #[test]
    fn the_first_and_the_last_time_are_in_and_their_neighbours_and_infinities_are_not() {
        let mut cell = TimeCell::default();
        let first = -63_082_281_600_000_000;
        let last = 252_455_615_999_999_999;
        assert_eq!(
            written(&mut cell, first).as_deref(),
            Some("0001-01-01T00:00:00.000000Z")
        );
        assert_eq!(
            written(&mut cell, last).as_deref(),
            Some("9999-12-31T23:59:59.999999Z")
        );
        for out in [first - 1, last + 1, i64::MIN, i64::MAX] {
            assert_eq!(written(&mut cell, out), None, "{out}");
        }
    }

    #[test]
    fn ids_have_their_forms() {
        let id = *Uuid::parse_str("550e8400-e29b-41d4-a716-4466554400ff")
            .unwrap()
            .as_bytes();
        assert_eq!(&uuid(id), b"550e8400-e29b-41d4-a716-4466554400ff");
        assert_eq!(&hex(id), b"550e8400e29b41d4a7164466554400ff");
    }

    proptest! {
        #[test]
        fn ids_and_numbers_are_written_as_others_write_them(id: [u8; 16], number: i32) {
            let expected = Uuid::from_bytes(id);
            prop_assert_eq!(uuid(id).to_vec(), expected.hyphenated().to_string().into_bytes());
            prop_assert_eq!(hex(id).to_vec(), expected.simple().to_string().into_bytes());
            let mut csv = Vec::new();
            push_int(&mut csv, Some(number));
            prop_assert_eq!(csv, number.to_string().into_bytes());
        }
    }
}
