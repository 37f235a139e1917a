//! Ids, numbers and times, each with a comma after it. None of them ever requires quotes.

use chrono::{DateTime, Datelike};
use exports_domain::PgTimestamp;

/// The time is infinite or outside the years 1 to 9999: RFC 3339 cannot express it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// Writes `01935abc-def0-7123-4567-890abcdef012`.
pub(crate) fn push_uuid(csv: &mut Vec<u8>, id: Option<[u8; 16]>) {
    const OFFSETS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    match id {
        None => csv.push(b','),
        Some(id) => push_hex(csv, b"________-____-____-____-____________,", id, OFFSETS),
    }
}

/// Writes `ep_01935abcdef071234567890abcdef012`.
pub(crate) fn push_outbound_endpoint(csv: &mut Vec<u8>, id: Option<[u8; 16]>) {
    const OFFSETS: [usize; 16] = [3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33];
    match id {
        None => csv.push(b','),
        Some(id) => push_hex(csv, b"ep_________________________________,", id, OFFSETS),
    }
}

fn push_hex<const N: usize>(
    csv: &mut Vec<u8>,
    template: &[u8; N],
    id: [u8; 16],
    offsets: [usize; 16],
) {
    let field = push_template(csv, template);
    for (byte, offset) in id.into_iter().zip(offsets) {
        field[offset..offset + 2].copy_from_slice(&HEX[usize::from(byte)]);
    }
}

/// Writes a decimal number.
pub(crate) fn push_int(csv: &mut Vec<u8>, number: Option<i32>) {
    let Some(number) = number else {
        return csv.push(b',');
    };
    match usize::try_from(number) {
        // Attempts, HTTP statuses, most latencies.
        Ok(small) if small < SMALL.len() => {
            csv.extend_from_slice(&SMALL[small]);
            let unused = usize::from(small < 100) + usize::from(small < 10);
            csv.truncate(csv.len() - unused);
        }
        _ => {
            csv.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            csv.push(b',');
        }
    }
}

/// Appends the template of a field, which the caller fills in at its final position: faster than filling
/// it in elsewhere and copying it.
fn push_template<'a, const N: usize>(csv: &'a mut Vec<u8>, template: &[u8; N]) -> &'a mut [u8; N] {
    csv.extend_from_slice(template);
    csv.last_chunk_mut()
        .expect("the template has just been appended")
}

/// The two hexadecimal digits of each byte.
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

/// The two decimal digits of the numbers below 100.
const DECIMAL: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

/// The fields of the numbers below 1,000, left-aligned, each with its comma.
const SMALL: [[u8; 4]; 1000] = {
    let mut fields = [[b','; 4]; 1000];
    let mut number = 0;
    while number < 1000 {
        let [tens, ones] = DECIMAL[number % 100];
        let hundreds = DECIMAL[number / 100][1];
        fields[number] = match number {
            0..10 => [ones, b',', b',', b','],
            10..100 => [tens, ones, b',', b','],
            _ => [hundreds, tens, ones, b','],
        };
        number += 1;
    }
    fields
};

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from the Unix epoch to `PostgreSQL`'s epoch, 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// The years 1 to 9999, which RFC 3339 can express.
const TIMES: std::ops::RangeInclusive<i64> = -63_082_281_600_000_000..=252_455_615_999_999_999;

/// Whether the time can be written.
pub(crate) fn is_in_range(PgTimestamp(micros): PgTimestamp) -> bool {
    TIMES.contains(&micros)
}

/// The microseconds since 1970 of a time that can be written.
pub(crate) fn unix_micros(PgTimestamp(micros): PgTimestamp) -> i64 {
    micros + EPOCH_DAYS * MICROS_PER_DAY
}

/// Writes times as `2025-12-01T00:00:00.000000Z`. Most rows have the same date as the row before, so the
/// date is computed once per day.
#[derive(Debug, Clone)]
pub(crate) struct TimeField {
    template: [u8; 28],
    /// The day whose date is in `template`, in days since 2000-01-01.
    day: Option<i64>,
}

impl Default for TimeField {
    fn default() -> Self {
        Self {
            template: *b"0000-00-00T00:00:00.000000Z,",
            day: None,
        }
    }
}

impl TimeField {
    pub(crate) fn push(
        &mut self,
        csv: &mut Vec<u8>,
        time: Option<PgTimestamp>,
    ) -> Result<(), OutOfRange> {
        let Some(PgTimestamp(micros)) = time else {
            csv.push(b',');
            return Ok(());
        };
        let day = micros.div_euclid(MICROS_PER_DAY);
        if self.day != Some(day) {
            self.set_date(day)?;
        }
        let micros = micros.rem_euclid(MICROS_PER_DAY).unsigned_abs();
        let seconds = micros / 1_000_000;
        let field = push_template(csv, &self.template);
        two_digits(field, 11, seconds / 3600);
        two_digits(field, 14, seconds / 60 % 60);
        two_digits(field, 17, seconds % 60);
        two_digits(field, 20, micros / 10_000);
        two_digits(field, 22, micros / 100);
        two_digits(field, 24, micros);
        Ok(())
    }

    fn set_date(&mut self, day: i64) -> Result<(), OutOfRange> {
        let date = DateTime::from_timestamp((day + EPOCH_DAYS) * 86_400, 0).ok_or(OutOfRange)?;
        let year = u64::try_from(date.year()).map_err(|_| OutOfRange)?;
        if !(1..=9999).contains(&year) {
            return Err(OutOfRange);
        }
        two_digits(&mut self.template, 0, year / 100);
        two_digits(&mut self.template, 2, year);
        two_digits(&mut self.template, 5, date.month().into());
        two_digits(&mut self.template, 8, date.day().into());
        self.day = Some(day);
        Ok(())
    }
}

/// Writes the last two digits of a number.
fn two_digits(field: &mut [u8; 28], at: usize, number: u64) {
    field[at..at + 2].copy_from_slice(&DECIMAL[(number % 100) as usize]);
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

    fn without_comma(csv: Vec<u8>) -> String {
        let text = String::from_utf8(csv).unwrap();
        text.strip_suffix(',').unwrap().to_owned()
    }

    fn written(field: &mut TimeField, micros: i64) -> Option<String> {
        let mut csv = Vec::new();
        field.push(&mut csv, Some(PgTimestamp(micros))).ok()?;
        Some(without_comma(csv))
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
            let mut field = TimeField::default();
            for micros in times {
                prop_assert_eq!(written(&mut field, micros), expected(micros));
            }
        }
    }

    #[test]
    fn the_first_and_last_times_are_written_and_others_are_rejected() {
        let mut field = TimeField::default();
        let first = -63_082_281_600_000_000;
        let last = 252_455_615_999_999_999;
        assert_eq!(
            written(&mut field, first).as_deref(),
            Some("0001-01-01T00:00:00.000000Z")
        );
        assert_eq!(
            written(&mut field, last).as_deref(),
            Some("9999-12-31T23:59:59.999999Z")
        );
        for out in [first - 1, last + 1, i64::MIN, i64::MAX] {
            assert_eq!(written(&mut field, out), None, "{out}");
        }
    }

    fn field(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut csv = Vec::new();
        push(&mut csv);
        without_comma(csv)
    }

    #[test]
    fn ids_are_formatted() {
        let id = Uuid::parse_str("550e8400-e29b-41d4-a716-4466554400ff").unwrap();
        let id = Some(id.into_bytes());
        assert_eq!(
            field(|csv| push_uuid(csv, id)),
            "550e8400-e29b-41d4-a716-4466554400ff"
        );
        assert_eq!(
            field(|csv| push_outbound_endpoint(csv, id)),
            "ep_550e8400e29b41d4a7164466554400ff"
        );
    }

    proptest! {
        #[test]
        fn ids_are_written_like_the_uuid_crate_writes_them(id: [u8; 16]) {
            let expected = Uuid::from_bytes(id);
            prop_assert_eq!(
                field(|csv| push_uuid(csv, Some(id))),
                expected.hyphenated().to_string()
            );
            prop_assert_eq!(
                field(|csv| push_outbound_endpoint(csv, Some(id))),
                format!("ep_{}", expected.simple())
            );
        }

        #[test]
        fn numbers_are_written_as_by_to_string(number: i32) {
            prop_assert_eq!(field(|csv| push_int(csv, Some(number))), number.to_string());
        }
    }

    #[test]
    fn small_numbers_are_written_as_by_to_string() {
        for number in -1..=1001 {
            assert_eq!(field(|csv| push_int(csv, Some(number))), number.to_string());
        }
    }
}
