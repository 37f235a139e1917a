//! Binary COPY, read back: the bytes of `query`'s statement become rows.
//!
//! The format (`PostgreSQL`'s documentation of COPY, "Binary Format"): a header of 11 bytes of
//! signature, 4 of flags and 4 of the length of an extension; then tuples, each a 16-bit count
//! of fields and per field a 32-bit length (-1 for NULL) and as many bytes; then -1 in place of a
//! count. Everything is big-endian. Chunks may end anywhere; lengths are checked, never trusted.

use exports_domain::{MessageRow, PgTimestamp};

use crate::error::Error;

/// The number of columns of `query`'s statement.
const COLUMNS: i16 = 12;
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Where in the format the decoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Tuples,
    End,
}

/// Reads rows from the chunks of one COPY.
#[derive(Debug)]
pub struct Decoder {
    place: Place,
    missing: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            place: Place::Header,
            missing: 0,
        }
    }
}

impl Decoder {
    /// Takes the next row off the front of `bytes`. `None`: there is no whole row in it; call
    /// again with the rest and more bytes behind it.
    #[inline]
    pub fn next_row<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<MessageRow<'a>>, Error> {
        if self.place == Place::Header {
            match read_header(bytes)? {
                None => return Ok(None),
                Some(rest) => *bytes = rest,
            }
            self.place = Place::Tuples;
        }
        let mut fields = Fields { rest: bytes };
        match self.row(&mut fields) {
            Ok(row) => {
                *bytes = fields.rest;
                Ok(row)
            }
            Err(Halt::CutOff { missing }) => {
                self.missing = missing;
                Ok(None)
            }
            Err(Halt::Malformed(what)) => Err(Error::MalformedCopy(what)),
            Err(Halt::NotUtf8) => Err(Error::NotUtf8),
        }
    }

    #[inline]
    fn row<'a>(&mut self, fields: &mut Fields<'a>) -> Result<Option<MessageRow<'a>>, Halt> {
        let count = i16::from_be_bytes(*fields.take()?);
        match (self.place, count) {
            (Place::End, _) => Err(Halt::Malformed("bytes after its end")),
            (_, COLUMNS) => fields.row().map(Some),
            (_, -1) => {
                self.place = Place::End;
                Ok(None)
            }
            _ => Err(Halt::Malformed("a row has another number of columns")),
        }
    }

    /// How many bytes at least are missing of the row that was cut off last: what its field at hand
    /// still needs.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Whether the COPY's end was read: without it, rows may be missing.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.place == Place::End
    }
}

/// What follows the header, once it is there as a whole.
fn read_header(bytes: &[u8]) -> Result<Option<&[u8]>, Error> {
    let Some((signature, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    if signature != SIGNATURE {
        return Err(Error::MalformedCopy(
            "it does not begin as binary COPY does",
        ));
    }
    let Some((&[_, _, _, _, length @ ..], rest)) = rest.split_first_chunk::<8>() else {
        return Ok(None);
    };
    // A u32 fits: the smallest supported target has 32-bit addresses.
    Ok(rest.get(u32::from_be_bytes(length) as usize..))
}

/// Why there is no row.
enum Halt {
    /// Its end is not there yet.
    CutOff {
        /// Of the field at hand, in bytes.
        missing: usize,
    },
    /// It is not what the statement gives.
    Malformed(&'static str),
    /// A text is not UTF-8.
    NotUtf8,
}

/// The fields of one row, taken one after the other.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Halt> {
        let missing = N.saturating_sub(self.rest.len());
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(Halt::CutOff { missing })?;
        self.rest = rest;
        Ok(taken)
    }

    /// A field's length; `None` for NULL.
    #[inline]
    fn length(&mut self) -> Result<Option<usize>, Halt> {
        match i32::from_be_bytes(*self.take()?) {
            -1 => Ok(None),
            length => usize::try_from(length)
                .map(Some)
                .map_err(|_| Halt::Malformed("a field has a negative length")),
        }
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Halt> {
        match self.length()? {
            None => Ok(None),
            Some(length) if length == N => Ok(Some(*self.take()?)),
            Some(_) => Err(Halt::Malformed("a field has another length than its type")),
        }
    }

    #[inline]
    fn text(&mut self) -> Result<Option<&'a str>, Halt> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let missing = length.saturating_sub(self.rest.len());
        let cut = self.rest.split_at_checked(length);
        let (text, rest) = cut.ok_or(Halt::CutOff { missing })?;
        self.rest = rest;
        std::str::from_utf8(text)
            .map(Some)
            .map_err(|_| Halt::NotUtf8)
    }

    #[inline]
    fn int(&mut self) -> Result<Option<i32>, Halt> {
        Ok(self.fixed()?.map(i32::from_be_bytes))
    }

    #[inline]
    fn timestamp(&mut self) -> Result<Option<PgTimestamp>, Halt> {
        Ok(self.fixed()?.map(i64::from_be_bytes).map(PgTimestamp))
    }

    #[inline]
    fn row(&mut self) -> Result<MessageRow<'a>, Halt> {
        // In the order of the statement's columns: struct fields are evaluated as written.
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
    fn a_row_is_read_whatever_the_chunks_are() {
        let copy = copy_of_one_row();
        for cut in 0..copy.len() {
            let mut decoder = Decoder::default();
            let mut bytes = &copy[..cut];
            let early = decoder.next_row(&mut bytes).unwrap().is_some();
            let mut bytes = &copy[cut - bytes.len()..];
            if !early {
                let row = decoder.next_row(&mut bytes).unwrap().unwrap();
                assert_eq!(row.id, Some([7; 16]));
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
    fn what_is_not_our_copy_is_refused() {
        let copy = copy_of_one_row();
        let decode = |mut bytes: &[u8]| {
            let mut decoder = Decoder::default();
            while decoder.next_row(&mut bytes)?.is_some() {}
            Ok::<_, Error>(decoder.is_finished() && bytes.is_empty())
        };
        assert!(decode(&copy).unwrap());
        assert!(
            !decode(&copy[..copy.len() - 2]).unwrap(),
            "no end, not finished"
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
            Err(Halt::Malformed("a field has another length than its type"))
        ));
    }
}
