//! Writes rows of messages as the bytes of a file.
//!
//! [`Format`] is what a file format consists of: [`csv`] and [`json_lines`] for text, [`parquet`] for columns.
//! [`compression`] packs text. The code is pure: no I/O, no async. It does not know how rows are read or
//! where the file is stored.

pub mod compression;
pub mod csv;
mod error;
mod fields;
pub mod json_lines;
pub mod parquet;
mod pieces;
mod shape;
mod urls;
mod values;
mod zoned;

use exports_domain::MessageRow;

pub use error::WriteError;
pub use shape::FileShape;

/// Moves the bytes that are written so far out of the buffer and leaves it empty.
///
/// A format calls it inside a long value, so that no row is in memory twice.
pub type Flush<'a> = dyn FnMut(&mut Vec<u8>) + 'a;

/// A file format, with the options of one file.
pub trait Format: Send + Sync + 'static {
    /// Whether rows are stored in groups, so that slices should be large.
    const HAS_GROUPS: bool;

    /// What writes the rows.
    type Rows: RowFormat;

    /// What is around the rows.
    type Frame: FileFrame<Slice = <Self::Rows as RowFormat>::Slice> + Send;

    /// A writer for the next slice of the file.
    fn rows(&self) -> Self::Rows;

    /// What is around the rows of the file.
    fn frame(&self) -> Self::Frame;
}

/// Writes the rows of one slice of a file. Slices are written at the same time, and their bytes are joined in
/// order.
///
/// Callers are generic over the format: a dynamic call per row would cost time.
pub trait RowFormat: Send + 'static {
    /// What the end of the file must know about a slice.
    type Slice: Send + 'static;

    /// Appends one row to `file`, now or with a later row. After an error, the end of `file` is unusable.
    fn push_row(
        &mut self,
        file: &mut Vec<u8>,
        row: &MessageRow<'_>,
        flush: &mut Flush<'_>,
    ) -> Result<(), WriteError>;

    /// Appends what is not written yet: the slice has no more rows.
    fn end_slice(
        &mut self,
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<Self::Slice, WriteError>;
}

/// The start and the end of a file.
pub trait FileFrame {
    /// What the end must know about a slice.
    type Slice;

    /// The bytes before the first row.
    fn start(&mut self) -> Vec<u8>;

    /// Takes note of the next slice, in the order of the file, which begins at this byte of the file.
    fn add_slice(&mut self, begins_at: u64, slice: Self::Slice);

    /// The bytes after the last row.
    fn end(&mut self) -> Result<Vec<u8>, WriteError>;
}

/// A text file: a header and nothing else.
#[derive(Debug)]
pub struct TextFrame {
    header: Vec<u8>,
}

impl TextFrame {
    pub(crate) fn new(header: Vec<u8>) -> Self {
        Self { header }
    }
}

impl FileFrame for TextFrame {
    type Slice = ();

    fn start(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.header)
    }

    fn add_slice(&mut self, _begins_at: u64, (): ()) {}

    fn end(&mut self) -> Result<Vec<u8>, WriteError> {
        Ok(Vec::new())
    }
}
