//! Extracts the bytes of a COPY from its `CopyData` messages: a `d`, the length, the bytes
//! (PostgreSQL documentation, "Message Formats").

use bytes::{Buf, BytesMut};

use crate::error::Error;

const DATA: u8 = b'd';
/// The size of the length field, which the length includes.
const LENGTH: usize = 4;

/// The position in the messages. A message may be received only in part.
#[derive(Debug, Default)]
pub(super) struct CopyFrames {
    /// How many bytes of the current message are still to be taken.
    open: usize,
}

impl CopyFrames {
    /// Moves the bytes of the COPY from the front of `received` to the end of `rows`, until `rows` has
    /// `limit` bytes. Returns `true` if a message of another kind follows.
    pub(super) fn take(
        &mut self,
        received: &mut BytesMut,
        rows: &mut Vec<u8>,
        limit: usize,
    ) -> Result<bool, Error> {
        let mut rest: &[u8] = received;
        let is_other = loop {
            let free = limit.saturating_sub(rows.len());
            let (row, behind) = rest.split_at(self.open.min(rest.len()).min(free));
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
            self.open = length.checked_sub(LENGTH).ok_or(Error::UnexpectedMessage)?;
            rest = behind;
        };
        let taken = received.len() - rest.len();
        received.advance(taken);
        Ok(is_other)
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
    fn rows_do_not_depend_on_read_boundaries_or_the_limit() {
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
    fn an_invalid_length_is_rejected() {
        let mut received = BytesMut::from(&[DATA, 0, 0, 0, 3][..]);
        let taken = CopyFrames::default().take(&mut received, &mut Vec::new(), 9);
        assert!(matches!(taken, Err(Error::UnexpectedMessage)));
    }
}
