//! Text fields, quoted where RFC 4180 requires it, as the `csv` crate quotes them.
//!
//! A long text is written and flushed piece by piece, so that no row is in memory twice.

use crate::Flush;
use crate::pieces::{PIECE, push_in_pieces};

/// What a text needs to know about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// The byte between two fields.
    pub(super) delimiter: u8,
    /// Whether texts are protected from being evaluated as formulas.
    pub(super) formula_guard: bool,
}

impl Dialect {
    /// That of a file without options.
    pub(super) const PLAIN: Self = Self {
        delimiter: b',',
        formula_guard: true,
    };
}

/// Writes a status with a comma after it. Returns `false` if it is not one of the contract.
#[inline]
pub(super) fn push_status(csv: &mut Vec<u8>, status: Option<&str>) -> bool {
    csv.extend_from_slice(match status {
        Some("queued") => b"queued,",
        Some("delivering") => b"delivering,",
        Some("succeeded") => b"succeeded,",
        Some("pending_retry") => b"pending_retry,",
        Some("failed_permanent") => b"failed_permanent,",
        _ => return false,
    });
    true
}

/// Writes a text that a third party can choose. A text that a spreadsheet would evaluate as a formula
/// gets a leading `'`, which marks it as text (protection against CSV injection).
#[inline]
pub(super) fn push_free_text(
    csv: &mut Vec<u8>,
    text: &[u8],
    dialect: Dialect,
    flush: &mut Flush<'_>,
) {
    let guard: &[u8] = match text.first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') if dialect.formula_guard => b"'",
        _ => b"",
    };
    push(csv, guard, text, dialect.delimiter, flush);
}

/// Writes bytes that are encoded already.
pub(super) fn push_encoded(csv: &mut Vec<u8>, encoded: &[u8], flush: &mut Flush<'_>) {
    push_in_pieces(csv, encoded, flush, |csv, piece| {
        csv.extend_from_slice(piece);
    });
}

#[inline]
fn push(csv: &mut Vec<u8>, guard: &[u8], text: &[u8], delimiter: u8, flush: &mut Flush<'_>) {
    if text.len() > PIECE {
        return push_long(csv, guard, text, delimiter, flush);
    }
    if !needs_quotes(text, delimiter) {
        csv.extend_from_slice(guard);
        csv.extend_from_slice(text);
        return;
    }
    csv.push(b'"');
    csv.extend_from_slice(guard);
    push_quoted(csv, text);
    csv.push(b'"');
}

/// Writes the same bytes as [`push`] would.
#[cold]
fn push_long(csv: &mut Vec<u8>, guard: &[u8], text: &[u8], delimiter: u8, flush: &mut Flush<'_>) {
    let quotes: &[u8] = if needs_quotes(text, delimiter) {
        b"\""
    } else {
        b""
    };
    csv.extend_from_slice(quotes);
    csv.extend_from_slice(guard);
    push_in_pieces(csv, text, flush, |csv, piece| {
        if quotes.is_empty() {
            csv.extend_from_slice(piece);
        } else {
            push_quoted(csv, piece);
        }
    });
    csv.extend_from_slice(quotes);
}

/// Writes the text between the quotes; quotes in it are doubled.
fn push_quoted(csv: &mut Vec<u8>, text: &[u8]) {
    for piece in text.split_inclusive(|byte| *byte == b'"') {
        csv.extend_from_slice(piece);
        if piece.ends_with(b"\"") {
            csv.push(b'"');
        }
    }
}

/// Checks every byte, without branches and without an early return: the compiler vectorises that.
#[inline]
fn needs_quotes(text: &[u8], delimiter: u8) -> bool {
    let is = |byte: u8, special: u8| u8::from(byte == special);
    text.iter().fold(0, |found, &byte| {
        found | is(byte, delimiter) | is(byte, b'"') | is(byte, b'\r') | is(byte, b'\n')
    }) != 0
}

#[cfg(test)]
mod tests {
    use exports_domain::MessageStatus;
    use proptest::prelude::*;

    use super::*;

    /// A record as the `csv` crate writes it.
    fn expected(fields: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        writer.write_record(fields).unwrap();
        writer.into_inner().unwrap()
    }

    fn written(fields: &[Vec<u8>]) -> Vec<u8> {
        let mut record = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                record.push(b',');
            }
            push(&mut record, b"", field, b',', &mut |_| {});
        }
        record.extend_from_slice(b"\r\n");
        record
    }

    /// Any bytes, and texts with many special characters.
    fn field() -> impl Strategy<Value = Vec<u8>> {
        let dense = prop::sample::select(b",\"\r\n'=a \0\xff".to_vec());
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            prop::collection::vec(dense, 0..100),
            ".{0,50}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        // At least two fields: the `csv` crate writes a single empty field as `""`.
        #[test]
        fn records_are_written_as_the_csv_crate_writes_them(
            fields in prop::collection::vec(field(), 2..12)
        ) {
            prop_assert_eq!(written(&fields), expected(&fields));
        }

        #[test]
        fn free_text_is_written_like_text_with_a_formula_guard(text in field()) {
            let formula = text.first().is_some_and(|first| b"=+-@\t\r".contains(first));
            let guarded = if formula { [b"'", text.as_slice()].concat() } else { text.clone() };
            let (mut free, mut plain) = (Vec::new(), Vec::new());
            push_free_text(&mut free, &text, Dialect::PLAIN, &mut |_| {});
            push(&mut plain, b"", &guarded, b',', &mut |_| {});
            prop_assert_eq!(free, plain);
        }
    }

    #[test]
    fn a_long_text_is_flushed_in_pieces_without_changes() {
        for (unit, times) in [("x", 5 * PIECE), ("\"", 3 * PIECE + 1), ("a\"\",b", PIECE)] {
            let text = [b"=", unit.repeat(times).as_bytes()].concat();
            let (mut csv, mut flushed) = (Vec::new(), Vec::new());
            push_free_text(&mut csv, &text, Dialect::PLAIN, &mut |csv: &mut Vec<u8>| {
                assert!(csv.len() <= 3 * PIECE, "{} bytes buffered", csv.len());
                flushed.append(csv);
            });
            assert!(csv.len() <= 3 * PIECE);
            flushed.append(&mut csv);
            let guarded = [b"'", text.as_slice()].concat();
            flushed.extend_from_slice(b",\r\n");
            assert!(flushed == expected(&[guarded, Vec::new()]), "{unit}");

            let (mut csv, mut again) = (Vec::new(), Vec::new());
            push_encoded(&mut csv, &flushed, &mut |csv: &mut Vec<u8>| {
                assert!(csv.len() <= 2 * PIECE, "{} bytes buffered", csv.len());
                again.append(csv);
            });
            again.append(&mut csv);
            assert!(again == flushed, "{unit}");
        }
    }

    #[test]
    fn only_statuses_of_the_contract_are_written() {
        for status in MessageStatus::NAMES {
            let mut csv = Vec::new();
            assert!(push_status(&mut csv, Some(status)));
            assert_eq!(csv, format!("{status},").as_bytes());
        }
        for other in [None, Some(""), Some("queued "), Some("QUEUED")] {
            assert!(!push_status(&mut Vec::new(), other), "{other:?}");
        }
    }

    #[test]
    fn only_formulas_are_prefixed() {
        let written = |text: &str| {
            let mut csv = Vec::new();
            push_free_text(&mut csv, text.as_bytes(), Dialect::PLAIN, &mut |_| {});
            String::from_utf8(csv).unwrap()
        };
        for formula in ["=1+1", "+1", "-1", "@sum", "\tx"] {
            assert_eq!(written(formula), format!("'{formula}"));
        }
        assert_eq!(written("\rx"), "\"'\rx\"");
        for plain in ["", "a=b", " =1", "'=1", "ünïcode 🦀"] {
            assert_eq!(written(plain), plain);
        }
        assert_eq!(written("\n=1"), "\"\n=1\"");
    }
}
