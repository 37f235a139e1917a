//! The rows of a COPY, out of the messages that carry them: a `d`, the message's length without
//! it, and the row (`PostgreSQL`'s documentation, "Message Formats", `CopyData`).

use bytes::{Buf, BytesMut};

use super::out_of_step;
use crate::error::Error;

const DATA: u8 = b'd';
/// The length counts itself.
const LENGTH: usize = 4;

/// Where among the messages the bytes are. A message can be longer than what has come of it.
#[derive(Debug, Default)]
pub(super) struct CopyFrames {
    /// Bytes of the message at hand that have not come yet.
    open: usize,
}

impl CopyFrames {
    /// Moves what is of the COPY's rows from the front of `received` to the end of `rows`, until
    /// these have `limit` bytes. `true` if another message follows, `false` if more has to come or
    /// to be taken.
    pub(super) fn take(
        &mut self,
        received: &mut BytesMut,
        rows: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, Error> {
        let mut rest: &[u8] = received;
        let others = loop {
            let room = limit.saturating_sub(rows.len());
            let (row, behind) = rest.split_at(self.open.min(rest.len()).min(room));
            rows.extend_from_slice(row);
            self.open -= row.len();
            rest = behind;
            if self.open > 0 {
                break false;
            }
            let Some((&[kind, length @ ..], behind)) = rest.split_first_chunk::<{ 1 + LENGTH }>()
            else {
                break false;
            };
            if kind != DATA {
                break true;
            }
            // A u32 fits: the smallest supported target has 32-bit addresses.
            let length = u32::from_be_bytes(length) as usize;
            self.open = length.checked_sub(LENGTH).ok_or_else(out_of_step)?;
            rest = behind;
        };
        let taken = received.len() - rest.len();
        received.advance(taken);
        Ok(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(LENGTH + body.len()).unwrap();
        [&[kind], length.to_be_bytes().as_slice(), body].concat()
    }

    #[test]
    fn rows_are_the_same_wherever_what_has_come_ends() {
        let bodies: [&[u8]; 4] = [b"header", b"", b"d\0\0\0\x05a row like a message", b"last"];
        let mut sent: Vec<u8> = bodies.iter().flat_map(|row| message(DATA, row)).collect();
        let data = sent.len();
        sent.extend(message(b'c', b""));
        for first in 0..=sent.len() {
            for second in first..=sent.len() {
                let mut frames = CopyFrames::default();
                let (mut received, mut rows) = (BytesMut::new(), Vec::new());
                let mut others = false;
                for part in [&sent[..first], &sent[first..second], &sent[second..]] {
                    received.extend_from_slice(part);
                    others = frames.take(&mut received, &mut rows, usize::MAX).unwrap();
                }
                assert!(others);
                assert_eq!(rows, bodies.concat(), "{first} {second}");
                assert_eq!(received, &sent[data..]);
            }
        }
        for limit in 1..data {
            let mut frames = CopyFrames::default();
            let mut received = BytesMut::from(&sent[..]);
            let mut all = Vec::new();
            loop {
                let mut rows = Vec::new();
                let others = frames.take(&mut received, &mut rows, limit).unwrap();
                assert!(rows.len() <= limit);
                all.extend(rows);
                if others {
                    break;
                }
            }
            assert_eq!(all, bodies.concat(), "{limit}");
            assert_eq!(received, &sent[data..]);
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        let mut received = BytesMut::from(&[DATA, 0, 0, 0, 3][..]);
        let taken = CopyFrames::default().take(&mut received, &mut Vec::new(), 9);
        assert!(matches!(taken, Err(Error::UnexpectedMessage)));
    }
}
