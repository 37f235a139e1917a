//! The cells of the file: how ids, numbers, times and free text are written. Quoting is not done
//! here.

use chrono::{DateTime, Datelike};
use exports_storage::source::PgTimestamp;
use uuid::Uuid;

/// A time that RFC 3339 cannot express: infinite, or outside the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnwritableTime;

/// Writes one cell at a time, into memory that is used again.
#[derive(Default)]
pub(crate) struct CellBuffer {
    text: Vec<u8>,
    int: itoa::Buffer,
    id: IdBuffer,
    time: TimeBuffer,
}

impl CellBuffer {
    /// `01935abc-def0-7123-4567-890abcdef012`.
    pub(crate) fn uuid(&mut self, id: Option<[u8; 16]>) -> &[u8] {
        match id {
            None => b"",
            Some(id) => Uuid::from_bytes(id)
                .hyphenated()
                .encode_lower(&mut self.id.0)
                .as_bytes(),
        }
    }

    /// `ep_01935abcdef071234567890abcdef012`.
    pub(crate) fn outbound_endpoint(&mut self, id: Option<[u8; 16]>) -> &[u8] {
        const PREFIX: &[u8] = b"ep_";
        let Some(id) = id else {
            return b"";
        };
        self.id.0[..PREFIX.len()].copy_from_slice(PREFIX);
        let length = Uuid::from_bytes(id)
            .simple()
            .encode_lower(&mut self.id.0[PREFIX.len()..])
            .len();
        &self.id.0[..PREFIX.len() + length]
    }

    /// Digits, with a minus where it belongs.
    pub(crate) fn int(&mut self, number: Option<i32>) -> &[u8] {
        number.map_or(b"", |number| self.int.format(number).as_bytes())
    }

    /// `2025-12-01T00:00:00.000000Z`.
    pub(crate) fn time(&mut self, time: Option<PgTimestamp>) -> Result<&[u8], UnwritableTime> {
        match time {
            None => Ok(b""),
            Some(time) => self.time.write(time),
        }
    }

    /// Text that a stranger can choose. What a spreadsheet would take for a formula gets a `'` in
    /// front, which spreadsheets take for "this is text".
    pub(crate) fn free_text<'a>(&'a mut self, text: Option<&'a str>) -> &'a [u8] {
        let text = text.unwrap_or_default().as_bytes();
        if !matches!(
            text.first(),
            Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')
        ) {
            return text;
        }
        self.text.clear();
        self.text.push(b'\'');
        self.text.extend_from_slice(text);
        &self.text
    }
}

/// Room for a UUID with hyphens, the longest of the forms.
struct IdBuffer([u8; 36]);

impl Default for IdBuffer {
    fn default() -> Self {
        Self([0; 36])
    }
}

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from 1970-01-01, chrono's epoch, to 2000-01-01, `PostgreSQL`'s.
const EPOCH_DAYS: i64 = 10_957;

/// Writes times. Most rows share their day with the row before, so the date is written once.
#[derive(Debug)]
struct TimeBuffer {
    text: [u8; 27],
    /// The day whose date `text` holds, in days since 2000-01-01.
    day: Option<i64>,
}

impl Default for TimeBuffer {
    fn default() -> Self {
        Self {
            text: *b"0000-00-00T00:00:00.000000Z",
            day: None,
        }
    }
}

impl TimeBuffer {
    fn write(&mut self, PgTimestamp(micros): PgTimestamp) -> Result<&[u8], UnwritableTime> {
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
        Ok(&self.text)
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

    use super::*;

    fn expected(micros: i64) -> Option<String> {
        let unix = micros.checked_add(EPOCH_DAYS * MICROS_PER_DAY)?;
        let time = DateTime::from_timestamp_micros(unix)?;
        (1..=9999)
            .contains(&time.year())
            .then(|| time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    fn written(cells: &mut CellBuffer, micros: i64) -> Option<String> {
        let cell = cells.time(Some(PgTimestamp(micros))).ok()?;
        Some(String::from_utf8(cell.to_vec()).unwrap())
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
            let mut cells = CellBuffer::default();
            for micros in times {
                prop_assert_eq!(written(&mut cells, micros), expected(micros));
            }
        }
    }

    #[test]
    fn the_first_and_the_last_time_are_in_and_their_neighbours_and_infinities_are_not() {
        let mut cells = CellBuffer::default();
        let first = -63_082_281_600_000_000;
        let last = 252_455_615_999_999_999;
        assert_eq!(
            written(&mut cells, first).as_deref(),
            Some("0001-01-01T00:00:00.000000Z")
        );
        assert_eq!(
            written(&mut cells, last).as_deref(),
            Some("9999-12-31T23:59:59.999999Z")
        );
        for out in [first - 1, last + 1, i64::MIN, i64::MAX] {
            assert_eq!(written(&mut cells, out), None, "{out}");
        }
    }

    #[test]
    fn only_what_looks_like_a_formula_is_guarded() {
        let mut cells = CellBuffer::default();
        for formula in ["=1+1", "+1", "-1", "@sum", "\tx", "\rx"] {
            let guarded = format!("'{formula}");
            assert_eq!(cells.free_text(Some(formula)), guarded.as_bytes());
        }
        for plain in ["", "a=b", " =1", "'=1", "\n=1", "ünïcode 🦀"] {
            assert_eq!(cells.free_text(Some(plain)), plain.as_bytes());
        }
        assert_eq!(cells.free_text(None), b"");
        assert_eq!(cells.int(Some(-1)), b"-1");
    }

    #[test]
    fn ids_have_their_forms() {
        let mut cells = CellBuffer::default();
        let id = Some(
            *Uuid::parse_str("550e8400-e29b-41d4-a716-446655440000")
                .unwrap()
                .as_bytes(),
        );
        assert_eq!(cells.uuid(id), b"550e8400-e29b-41d4-a716-446655440000");
        assert_eq!(
            cells.outbound_endpoint(id),
            b"ep_550e8400e29b41d4a716446655440000"
        );
        assert_eq!(cells.outbound_endpoint(None), b"");
    }
}
