//! Strings of JSON (RFC 8259). A long text is written and flushed piece by piece.

use crate::Flush;
use crate::pieces::push_in_pieces;

/// Writes a text with its quotes.
pub(super) fn push(json: &mut Vec<u8>, text: &str, flush: &mut Flush<'_>) {
    json.push(b'"');
    // Only ASCII is escaped, so a piece may end inside a character.
    push_in_pieces(json, text.as_bytes(), flush, |json, piece| {
        if needs_escapes(piece) {
            push_escaped(json, piece);
        } else {
            json.extend_from_slice(piece);
        }
    });
    json.push(b'"');
}

/// Writes a string that is encoded already.
pub(super) fn push_encoded(json: &mut Vec<u8>, encoded: &[u8], flush: &mut Flush<'_>) {
    push_in_pieces(json, encoded, flush, |json, piece| {
        json.extend_from_slice(piece);
    });
}

fn push_escaped(json: &mut Vec<u8>, text: &[u8]) {
    let mut plain = 0;
    for (at, &byte) in text.iter().enumerate() {
        if !is_special(byte) {
            continue;
        }
        json.extend_from_slice(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' | b'\\' => json.extend_from_slice(&[b'\\', byte]),
            b'\n' => json.extend_from_slice(b"\\n"),
            b'\r' => json.extend_from_slice(b"\\r"),
            b'\t' => json.extend_from_slice(b"\\t"),
            0x08 => json.extend_from_slice(b"\\b"),
            0x0c => json.extend_from_slice(b"\\f"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let [high, low] = [control >> 4, control & 15].map(|digit| HEX[usize::from(digit)]);
                json.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
    json.extend_from_slice(&text[plain..]);
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Checks every byte, without branches and without an early return: the compiler vectorises that.
fn needs_escapes(text: &[u8]) -> bool {
    text.iter()
        .fold(0, |found, &byte| found | u8::from(is_special(byte)))
        != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pieces::PIECE;

    fn written(text: &str) -> String {
        let mut json = Vec::new();
        push(&mut json, text, &mut |_| {});
        String::from_utf8(json).unwrap()
    }

    proptest! {
        #[test]
        fn texts_are_read_as_they_were(text in prop_oneof!["\\PC{0,60}", "[\\x00-\\x7fé\u{2028}🦀]{0,60}"]) {
            let json = written(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            prop_assert!(!json.contains('\n'));
        }
    }

    #[test]
    fn every_control_character_is_escaped() {
        for byte in 0..0x80_u8 {
            let text = char::from(byte).to_string();
            let json = written(&text);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert!(json.bytes().all(|byte| byte >= 0x20), "{json:?}");
        }
    }

    #[test]
    fn a_long_text_is_flushed_in_pieces_without_changes() {
        for unit in ["x", "\"", "é\n", "🦀"] {
            let text = unit.repeat(3 * PIECE);
            let (mut json, mut flushed) = (Vec::new(), Vec::new());
            push(&mut json, &text, &mut |json: &mut Vec<u8>| {
                assert!(json.len() <= 7 * PIECE, "{} bytes buffered", json.len());
                flushed.append(json);
            });
            flushed.append(&mut json);
            assert!(
                serde_json::from_slice::<String>(&flushed).unwrap() == text,
                "{unit}"
            );
        }
    }
}
