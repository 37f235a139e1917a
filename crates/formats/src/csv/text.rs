//! The cells that hold text, quoted where RFC 4180 asks for it, as the `csv` crate quotes them.
//!
//! All other cells have forms that never need quotes: see `cells`. A long text is passed on piece by
//! piece, so that no row is in memory a second time.

/// The longest text that is written at once, in bytes; one piece of a longer one.
const PIECE: usize = 64 * 1024;

/// Passes on what is written so far, and leaves it empty.
pub(super) type PassOn<'a> = dyn FnMut(&mut Vec<u8>) + 'a;

/// Writes a status and the comma behind it. An operator's view may have others than ours.
pub(super) fn push_status(csv: &mut Vec<u8>, status: &str, pass_on: &mut PassOn<'_>) {
    match status {
        "queued" => csv.extend_from_slice(b"queued,"),
        "delivering" => csv.extend_from_slice(b"delivering,"),
        "succeeded" => csv.extend_from_slice(b"succeeded,"),
        "pending_retry" => csv.extend_from_slice(b"pending_retry,"),
        "failed_permanent" => csv.extend_from_slice(b"failed_permanent,"),
        _ => {
            push_text(csv, status.as_bytes(), pass_on);
            csv.push(b',');
        }
    }
}

fn push_text(csv: &mut Vec<u8>, text: &[u8], pass_on: &mut PassOn<'_>) {
    push(csv, b"", text, pass_on);
}

/// Writes a text that a stranger can choose. What a spreadsheet would take for a formula gets a
/// `'` in front, which spreadsheets take for "this is text".
pub(super) fn push_free_text(csv: &mut Vec<u8>, text: &[u8], pass_on: &mut PassOn<'_>) {
    let guard: &[u8] = match text.first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') => b"'",
        _ => b"",
    };
    push(csv, guard, text, pass_on);
}

fn push(csv: &mut Vec<u8>, guard: &[u8], text: &[u8], pass_on: &mut PassOn<'_>) {
    if text.len() > PIECE {
        return push_long(csv, guard, text, pass_on);
    }
    if !needs_quotes(text) {
        csv.extend_from_slice(guard);
        csv.extend_from_slice(text);
        return;
    }
    csv.push(b'"');
    csv.extend_from_slice(guard);
    push_quoted(csv, text);
    csv.push(b'"');
}

/// The same as for a text that is not long.
#[cold]
fn push_long(csv: &mut Vec<u8>, guard: &[u8], text: &[u8], pass_on: &mut PassOn<'_>) {
    let quotes: &[u8] = if needs_quotes(text) { b"\"" } else { b"" };
    csv.extend_from_slice(quotes);
    csv.extend_from_slice(guard);
    for piece in text.chunks(PIECE) {
        if csv.len() >= PIECE {
            pass_on(csv);
        }
        if quotes.is_empty() {
            csv.extend_from_slice(piece);
        } else {
            push_quoted(csv, piece);
        }
    }
    csv.extend_from_slice(quotes);
}

/// Writes what stands between quotes.
fn push_quoted(csv: &mut Vec<u8>, text: &[u8]) {
    for piece in text.split_inclusive(|byte| *byte == b'"') {
        csv.extend_from_slice(piece);
        if piece.ends_with(b"\"") {
            csv.push(b'"');
        }
    }
}

/// Looks at every byte, with neither branch nor early end: so the compiler looks at many at once.
fn needs_quotes(text: &[u8]) -> bool {
    let is = |byte: u8, special: u8| u8::from(byte == special);
    text.iter().fold(0, |found, &byte| {
        found | is(byte, b',') | is(byte, b'"') | is(byte, b'\r') | is(byte, b'\n')
    }) != 0
}

#[cfg(test)]
mod tests {
    use exports_domain::MessageStatus;
    use proptest::prelude::*;

    use super::*;

    /// What the `csv` crate makes of a record.
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
            push_text(&mut record, field, &mut |_| {});
        }
        record.extend_from_slice(b"\r\n");
        record
    }

    /// Any bytes, and texts in which those that matter are frequent.
    fn field() -> impl Strategy<Value = Vec<u8>> {
        let dense = prop::sample::select(b",\"\r\n'=a \0\xff".to_vec());
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            prop::collection::vec(dense, 0..100),
            ".{0,50}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        // From two cells on: of a single empty cell the `csv` crate makes `""`, and no record of
        // ours has a single one.
        #[test]
        fn records_are_written_as_the_csv_crate_writes_them(
            fields in prop::collection::vec(field(), 2..12)
        ) {
            prop_assert_eq!(written(&fields), expected(&fields));
        }

        #[test]
        fn free_text_is_written_as_guarded_text(text in field()) {
            let formula = text.first().is_some_and(|first| b"=+-@\t\r".contains(first));
            let guarded = if formula { [b"'", text.as_slice()].concat() } else { text.clone() };
            let (mut free, mut plain) = (Vec::new(), Vec::new());
            push_free_text(&mut free, &text, &mut |_| {});
            push_text(&mut plain, &guarded, &mut |_| {});
            prop_assert_eq!(free, plain);
        }
    }

    #[test]
    fn a_long_text_is_passed_on_in_pieces_and_written_like_any_other() {
        for (unit, times) in [("x", 5 * PIECE), ("\"", 3 * PIECE + 1), ("a\"\",b", PIECE)] {
            let text = [b"=", unit.repeat(times).as_bytes()].concat();
            let (mut csv, mut passed) = (Vec::new(), Vec::new());
            push_free_text(&mut csv, &text, &mut |csv: &mut Vec<u8>| {
                assert!(csv.len() <= 3 * PIECE, "{} bytes at once", csv.len());
                passed.append(csv);
            });
            assert!(csv.len() <= 3 * PIECE);
            passed.append(&mut csv);
            let guarded = [b"'", text.as_slice()].concat();
            passed.extend_from_slice(b",\r\n");
            assert!(passed == expected(&[guarded, Vec::new()]), "{unit}");
        }
    }

    #[test]
    fn statuses_are_written_as_any_text() {
        let known = MessageStatus::ALL.iter().map(|status| status.as_str());
        for status in known.into_iter().chain(["", "queued2", "a,b", "\"", "=1"]) {
            let (mut csv, mut text) = (Vec::new(), Vec::new());
            push_status(&mut csv, status, &mut |_| {});
            push_text(&mut text, status.as_bytes(), &mut |_| {});
            text.push(b',');
            assert_eq!(csv, text);
        }
    }

    #[test]
    fn only_what_looks_like_a_formula_is_guarded() {
        let written = |text: &str| {
            let mut csv = Vec::new();
            push_free_text(&mut csv, text.as_bytes(), &mut |_| {});
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
