//! The text form of a list cursor: the time and id of the last export, with a version and a checksum.
//!
//! The checksum detects mistakes. It is no protection, and none is needed: a cursor only selects exports of the caller's project.

use chrono::{DateTime, Datelike};
use exports_database::Cursor;
use exports_domain::ExportId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const VERSION: u8 = 1;
const CHECKSUM: usize = 4;

pub(crate) fn encode(cursor: &Cursor) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(cursor.created_at.timestamp_micros().to_be_bytes());
    bytes.extend(cursor.id.0.as_bytes());
    bytes.extend(checksum(&bytes));
    hex::encode(bytes)
}

/// `None` if [`encode`] did not produce the text.
pub(crate) fn decode(text: &str) -> Option<Cursor> {
    // Only one spelling is valid.
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let bytes = hex::decode(text).ok()?;
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
    let (version, body_rest) = body.split_first()?;
    let (micros, id) = body_rest.split_first_chunk::<8>()?;
    if *version != VERSION || *sum != checksum(body) {
        return None;
    }
    let created_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    let id = Uuid::from_slice(id).ok()?;
    (1..=9999).contains(&created_at.year()).then_some(Cursor {
        created_at,
        id: ExportId(id),
    })
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let sum = Sha256::digest(body);
    [sum[0], sum[1], sum[2], sum[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor {
            created_at: "2025-12-06T12:00:00.123456Z".parse().unwrap(),
            id: ExportId::generate(),
        }
    }

    #[test]
    fn a_cursor_round_trips() {
        let cursor = cursor();
        assert_eq!(decode(&encode(&cursor)), Some(cursor));
    }

    #[test]
    fn any_changed_digit_is_detected() {
        let text = encode(&cursor());
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(decode(&String::from_utf8(changed).unwrap()), None, "{at}");
        }
    }

    #[test]
    fn malformed_cursors_are_rejected() {
        let text = encode(&cursor());
        for bad in [
            "",
            "x",
            "01",
            &text[2..],
            &format!("{text}00"),
            &text.to_uppercase(),
            "ffffffff",
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
