//! Decodes binary COPY into rows.
//!
//! The format (PostgreSQL documentation of COPY, "Binary Format"): a header of 11 bytes signature,
//! 4 bytes flags, 4 bytes length of the extension, and the extension; then tuples, each a 16-bit field
//! count and per field a 32-bit length (-1 for NULL) and the bytes; then a count of -1. Everything is
//! big-endian. Chunks may end anywhere. Every length is checked.

use exports_domain::{MessageRow, PgTimestamp};
use uuid::Uuid;

use crate::error::Error;

/// The number of columns of the COPY statement (see `statements`).
const COLUMNS: i16 = 12;
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// What the decoder reads next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Tuples,
    End,
}

/// Decodes rows from the chunks of one COPY.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    missing: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::Header,
            missing: 0,
        }
    }
}

impl Decoder {
    /// Takes the next row from the front of `bytes`. `None`: the row is incomplete. Call again with the
    /// rest followed by more bytes.
    #[inline]
    pub fn next_row<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<MessageRow<'a>>, Error> {
        if self.state == State::Header {
            match read_header(bytes)? {
                None => return Ok(None),
                Some(rest) => *bytes = rest,
            }
            self.state = State::Tuples;
        }
        let mut fields = Fields { rest: bytes };
        match self.row(&mut fields) {
            Ok(row) => {
                *bytes = fields.rest;
                Ok(row)
            }
            Err(RowError::Incomplete { missing }) => {
                self.missing = missing;
                Ok(None)
            }
            Err(RowError::Malformed(what)) => Err(Error::MalformedCopy(what)),
            Err(RowError::NotUtf8) => Err(Error::NotUtf8),
        }
    }

    #[inline]
    fn row<'a>(&mut self, fields: &mut Fields<'a>) -> Result<Option<MessageRow<'a>>, RowError> {
        let count = i16::from_be_bytes(*fields.take()?);
        match (self.state, count) {
            (State::End, _) => Err(RowError::Malformed("bytes after the end")),
            (_, COLUMNS) => fields.row().map(Some),
            (_, -1) => {
                self.state = State::End;
                Ok(None)
            }
            _ => Err(RowError::Malformed("a row has a wrong number of columns")),
        }
    }

    /// The id of the message at the start of `bytes`, of which a part may be missing.
    #[must_use]
    pub fn message_id(bytes: &[u8]) -> Option<Uuid> {
        let mut fields = Fields { rest: bytes };
        fields.take::<2>().ok()?;
        fields.fixed().ok()?.map(Uuid::from_bytes)
    }

    /// The minimum number of missing bytes of the last incomplete row: those of its current field.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Whether the end of the COPY was read. Without it, rows may be missing.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == State::End
    }
}

/// The bytes after the header, if the header is complete.
fn read_header(bytes: &[u8]) -> Result<Option<&[u8]>, Error> {
    let Some((signature, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    if signature != SIGNATURE {
        return Err(Error::MalformedCopy(
            "it does not begin with the signature of binary COPY",
        ));
    }
    let Some((&[_, _, _, _, length @ ..], rest)) = rest.split_first_chunk::<8>() else {
        return Ok(None);
    };
    // A u32 fits: the smallest supported target has 32-bit addresses.
    Ok(rest.get(u32::from_be_bytes(length) as usize..))
}

/// Why no row could be decoded.
enum RowError {
    /// The row is not received completely.
    Incomplete {
        /// Missing bytes of the current field.
        missing: usize,
    },
    /// The bytes are not rows of the statement.
    Malformed(&'static str),
    /// A text is not UTF-8.
    NotUtf8,
}

/// The fields of one row, read one after the other.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], RowError> {
        let missing = N.saturating_sub(self.rest.len());
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(RowError::Incomplete { missing })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The length of a field; `None` for NULL.
    #[inline]
    fn length(&mut self) -> Result<Option<usize>, RowError> {
        match i32::from_be_bytes(*self.take()?) {
            -1 => Ok(None),
            length => usize::try_from(length)
                .map(Some)
                .map_err(|_| RowError::Malformed("a field has a negative length")),
        }
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<Option<[u8; N]>, RowError> {
        match self.length()? {
            None => Ok(None),
            Some(length) if length == N => Ok(Some(*self.take()?)),
            Some(_) => Err(RowError::Malformed(
                "the length of a field does not match its type",
            )),
        }
    }

    #[inline]
    fn text(&mut self) -> Result<Option<&'a str>, RowError> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let missing = length.saturating_sub(self.rest.len());
        let cut = self.rest.split_at_checked(length);
        let (text, rest) = cut.ok_or(RowError::Incomplete { missing })?;
        self.rest = rest;
        std::str::from_utf8(text)
            .map(Some)
            .map_err(|_| RowError::NotUtf8)
    }

    #[inline]
    fn int(&mut self) -> Result<Option<i32>, RowError> {
        Ok(self.fixed()?.map(i32::from_be_bytes))
    }

    #[inline]
    fn timestamp(&mut self) -> Result<Option<PgTimestamp>, RowError> {
        Ok(self.fixed()?.map(i64::from_be_bytes).map(PgTimestamp))
    }

    #[inline]
    fn row(&mut self) -> Result<MessageRow<'a>, RowError> {
        // Struct fields are evaluated in this order, which is that of the columns.
        Ok(MessageRow {
            id: self.fixed()?,
            endpoint_id: self.fixed()?,
            status: self.text()?,
            attempt_count: self.int()?,
            created_at: self.timestamp()?,
            delivered_at: self.timestamp()?,
            next_attempt_at: self.timestamp()?,
            response_status: self.int()?,
            response_latency_ms: self.int()?,
            total_delivery_ms: self.int()?,
            last_error: self.text()?,
            url: self.text()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(bytes: &[u8]) -> Vec<u8> {
        let length = i32::try_from(bytes.len()).unwrap();
        [length.to_be_bytes().as_slice(), bytes].concat()
    }

    fn copy_of_one_row() -> Vec<u8> {
        let null = (-1_i32).to_be_bytes().to_vec();
        [
            SIGNATURE.to_vec(),
            vec![0; 8],
            COLUMNS.to_be_bytes().to_vec(),
            field(&[7; 16]),
            null.clone(),
            field("queued".as_bytes()),
            field(&i32::MIN.to_be_bytes()),
            field(&1_i64.to_be_bytes()),
            null.clone(),
            field(&i64::MAX.to_be_bytes()),
            null.repeat(3),
            field("naïve, \"quoted\"\r\n".as_bytes()),
            field(b""),
            (-1_i16).to_be_bytes().to_vec(),
        ]
        .concat()
    }

    #[test]
    fn a_row_is_decoded_from_any_two_chunks() {
        let copy = copy_of_one_row();
        for cut in 0..copy.len() {
            let mut decoder = Decoder::default();
            let mut bytes = &copy[..cut];
            let early = decoder.next_row(&mut bytes).unwrap().is_some();
            let mut bytes = &copy[cut - bytes.len()..];
            if !early {
                let row = decoder.next_row(&mut bytes).unwrap().unwrap();
                assert_eq!(row.id, Some([7; 16]));
                assert_eq!(
                    Decoder::message_id(&copy[19..]),
                    Some(Uuid::from_bytes([7; 16]))
                );
                assert_eq!(row.endpoint_id, None);
                assert_eq!(row.attempt_count, Some(i32::MIN));
                assert_eq!(row.next_attempt_at, Some(PgTimestamp(i64::MAX)));
                assert_eq!(row.last_error, Some("naïve, \"quoted\"\r\n"));
                assert_eq!(row.url, Some(""));
            }
            assert_eq!(decoder.next_row(&mut bytes).unwrap(), None);
            assert!(decoder.is_finished() && bytes.is_empty(), "cut at {cut}");
        }
    }

    #[test]
    fn malformed_bytes_are_rejected() {
        let copy = copy_of_one_row();
        let decode = |mut bytes: &[u8]| {
            let mut decoder = Decoder::default();
            while decoder.next_row(&mut bytes)?.is_some() {}
            Ok::<_, Error>(decoder.is_finished() && bytes.is_empty())
        };
        assert!(decode(&copy).unwrap());
        assert!(
            !decode(&copy[..copy.len() - 2]).unwrap(),
            "without the trailer the decoder is not finished"
        );
        let broken = |at: usize, byte: u8| {
            let mut copy = copy.clone();
            copy[at] = byte;
            decode(&copy).unwrap_err().to_string()
        };
        assert!(broken(0, b'X').contains("does not begin"));
        assert!(broken(20, 13).contains("number of columns"));
        assert!(broken(49, 0xff).contains("UTF-8"));
        let three = field(&[1, 2, 3]);
        assert!(matches!(
            Fields { rest: &three }.int(),
            Err(RowError::Malformed(
                "the length of a field does not match its type"
            ))
        ));
    }
}
