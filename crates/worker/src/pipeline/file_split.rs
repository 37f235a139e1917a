//! The end of each file of an export that is split, among its rows.

use std::fmt;

use exports_formats::{Flush, RowFormat};

use crate::pipeline::encode_error::EncodeError;
use crate::pipeline::reorder_buffer::PieceSender;

/// Ends the files of a slice.
pub(crate) struct FileSplit<F: RowFormat> {
    /// The rows of a file.
    pub(crate) max_rows: u64,
    /// Makes the writer of the next file.
    pub(crate) writer: Box<dyn Fn() -> F + Send>,
    pub(crate) pieces: PieceSender<F::Slice>,
}

impl<F: RowFormat> FileSplit<F> {
    /// Ends the file whose rows this writer wrote. Returns the writer of the next file.
    pub(crate) fn next_file(
        &self,
        writer: &mut F,
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<F, EncodeError> {
        let end = writer.end_slice(file, flush)?;
        flush(file);
        self.pieces.end_file(end);
        Ok((self.writer)())
    }
}

impl<F: RowFormat> fmt::Debug for FileSplit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("FileSplit");
        fields
            .field("max_rows", &self.max_rows)
            .finish_non_exhaustive()
    }
}
