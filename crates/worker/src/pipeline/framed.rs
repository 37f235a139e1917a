//! The bytes of a file in order: its start, its rows, and its end. An export that is split has several files.

use exports_formats::{FileFrame, Format};

use crate::job::JobError;
use crate::pipeline::buffer_pool::BufferPool;
use crate::pipeline::encode_error::EncodeError;
use crate::pipeline::readers::Slice;
use crate::pipeline::reorder_buffer::{Chunk, OrderedOutput, Piece};

/// Puts the frame of the format around the rows.
pub(crate) struct FramedOutput<F: Format> {
    rows: OrderedOutput<Slice<F>>,
    frame: F::Frame,
    next: Next,
    /// The bytes so far, and those before the current slice.
    bytes: u64,
    slice_begins_at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Start,
    Rows,
    End { is_last: bool },
}

impl<F: Format> FramedOutput<F> {
    pub(crate) fn new(frame: F::Frame, rows: OrderedOutput<Slice<F>>) -> Self {
        Self {
            rows,
            frame,
            next: Next::Start,
            bytes: 0,
            slice_begins_at: 0,
        }
    }

    /// The rows of the next file; `None` if this was the last one. Call it at the end of the file.
    pub(crate) fn into_next_file(self) -> Option<OrderedOutput<Slice<F>>> {
        (self.next == Next::End { is_last: false }).then_some(self.rows)
    }

    /// The next bytes; `None` at the end of the file. Cancel safe: a call that is dropped loses no bytes.
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>, JobError> {
        loop {
            let chunk = match self.next {
                Next::Start => {
                    self.next = Next::Rows;
                    let start = self.frame.start();
                    self.slice_begins_at = start.len() as u64;
                    chunk(start)
                }
                Next::Rows => match self.rows.next().await {
                    Some(Piece::Bytes(chunk)) => chunk,
                    Some(Piece::End(slice)) => {
                        self.frame.add_slice(self.slice_begins_at, slice);
                        self.slice_begins_at = self.bytes;
                        continue;
                    }
                    Some(Piece::FileEnd) => self.end(false)?,
                    None => self.end(true)?,
                },
                Next::End { .. } => return Ok(None),
            };
            self.bytes += chunk.bytes.len() as u64;
            if !chunk.bytes.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }

    fn end(&mut self, is_last: bool) -> Result<Chunk, JobError> {
        self.next = Next::End { is_last };
        Ok(chunk(self.frame.end().map_err(EncodeError::from)?))
    }
}

/// A chunk with these bytes.
pub(crate) fn chunk(bytes: Vec<u8>) -> Chunk {
    let mut buffer = BufferPool::new(0).take_unallocated();
    *buffer = bytes;
    buffer.into()
}
