//! Writes rows of messages as the bytes of a file.
//!
//! [`RowFormat`] is what a file format consists of; [`csv`] is the only format so far. The code is pure:
//! no I/O, no async. It does not know how rows are read or where the file is stored.

pub mod csv;

use exports_domain::{Direction, InvalidValue, MessageRow};

/// Moves the bytes that are written so far out of the buffer and leaves it empty.
///
/// A format calls it inside a long value, so that no row is in memory twice.
pub type Flush<'a> = dyn FnMut(&mut Vec<u8>) + 'a;

/// A file format: a header, one row per message, and the end of the file.
///
/// A value of it writes the rows of one file, or of one slice of a file. Callers are generic over the
/// format: a dynamic call per row would cost time.
pub trait RowFormat {
    /// The bytes after the last row.
    const END_OF_FILE: &'static [u8];

    /// The bytes before the first row.
    fn header(direction: Direction) -> Vec<u8>;

    /// Appends one row to `file`. After an error, the end of `file` is unusable.
    fn push_row(
        &mut self,
        file: &mut Vec<u8>,
        row: &MessageRow<'_>,
        flush: &mut Flush<'_>,
    ) -> Result<(), InvalidValue>;
}
