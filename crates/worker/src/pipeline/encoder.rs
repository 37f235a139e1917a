//! Converts the bytes of a COPY into the bytes of the file.
//!
//! Each slice has its own encoder thread: decoding and encoding never wait for the network, and the
//! network never waits for them.
//!
//! A row is decoded as a whole, so memory depends on its size. [`MAX_ROW`] is the largest row of an export,
//! and of the rows above [`LONG_ROW`] an export holds one at a time.

use exports_formats::{Flush, RowFormat};
use exports_source::Decoder;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::job::{JobError, SharedProgress};
use crate::pipeline::buffer_pool::{Buffer, BufferPool};
use crate::pipeline::encode_error::EncodeError;
use crate::pipeline::file_split::FileSplit;
use crate::pipeline::reorder_buffer::SliceInput;

/// How many chunks the channel to the encoder holds. When it is full, the reader waits (backpressure).
const QUEUED_CHUNKS: usize = 2;

/// The maximum size of a row in bytes, as PostgreSQL sends it: 32 MiB. It also is the smallest size that
/// every allocator maps on its own, see [`reserve`].
pub(crate) const MAX_ROW: usize = 32 * 1024 * 1024;

/// The rest of a longer row is received only when its slice has its turn in the file.
const LONG_ROW: usize = 1024 * 1024;

/// Bytes that are written when they are so many, although the chunk has more rows.
const FULL: usize = 512 * 1024;

/// Encodes the rows of one COPY, which reads one slice of the export.
#[derive(Debug)]
pub struct Encoder<F: RowFormat> {
    decoder: Decoder,
    format: F,
    /// The start of a row whose end is in the next chunk.
    partial_row: Vec<u8>,
    rows: u64,
    /// The row after which the file ends, if the export is split and more rows follow.
    file_ends_after: u64,
    split: Option<FileSplit<F>>,
}

/// The size of an encoded slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SliceSize {
    pub(crate) rows: u64,
    /// The bytes that were read or written, whichever are more.
    pub(crate) bytes: u64,
}

/// A running encoder. It returns `None` if its output was closed.
pub(crate) type EncoderTask = JoinHandle<Result<Option<SliceSize>, JobError>>;

/// Starts an encoder on its own thread. It takes chunks of a COPY from the channel and writes the encoded
/// rows to `output`, until the channel or the output is closed.
pub(crate) fn spawn<F: RowFormat>(
    mut encoder: Encoder<F>,
    output: SliceInput<F::Slice>,
    buffers: BufferPool,
    progress: SharedProgress,
) -> (mpsc::Sender<Buffer>, EncoderTask) {
    let (chunks, mut input) = mpsc::channel::<Buffer>(QUEUED_CHUNKS);
    let task = tokio::task::spawn_blocking(move || {
        let (mut received, mut bytes, mut is_open) = (0, 0, true);
        let mut flush = |file: &mut Vec<u8>| {
            let mut full = buffers.take();
            std::mem::swap(&mut *full, file);
            bytes += full.len() as u64;
            is_open = is_open && (full.is_empty() || output.blocking_send(full));
            is_open
        };
        let mut file = buffers.take();
        while let Some(chunk) = input.blocking_recv() {
            received += chunk.len() as u64;
            file.reserve(chunk.len() * 2);
            let before = encoder.rows;
            encoder.encode(&chunk, &mut file, &mut |file| {
                flush(file);
            })?;
            progress.add_rows(encoder.rows - before);
            if !flush(&mut file) {
                // The task that closed the output reports the reason.
                return Ok(None);
            }
            if encoder.is_in_long_row() && !output.blocking_wait_for_turn() {
                return Ok(None);
            }
        }
        let (rows, end) = encoder.finish(&mut file, &mut |file| {
            flush(file);
        })?;
        if !flush(&mut file) || !output.end(end) {
            return Ok(None);
        }
        let bytes = bytes.max(received);
        Ok(Some(SliceSize { rows, bytes }))
    });
    (chunks, task)
}

impl<F: RowFormat> Encoder<F> {
    /// Encodes rows in this format.
    #[must_use]
    pub fn new(format: F) -> Self {
        Self {
            decoder: Decoder::default(),
            format,
            partial_row: Vec::new(),
            rows: 0,
            file_ends_after: u64::MAX,
            split: None,
        }
    }

    /// Ends a file after so many rows. The slice is the whole export.
    pub(crate) fn split(mut self, split: FileSplit<F>) -> Self {
        self.file_ends_after = split.max_rows;
        self.split = Some(split);
        self
    }

    /// Appends the complete rows of the chunk to `file`; the next call completes a partial row.
    ///
    /// Inside a long text, `flush` takes the bytes written so far, so that only the undecoded row is in
    /// memory. After an error the end of `file` is unusable.
    pub fn encode(
        &mut self,
        chunk: &[u8],
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<(), EncodeError> {
        let mut rest = chunk;
        while !self.partial_row.is_empty() && !rest.is_empty() {
            rest = self.complete_row(rest, file, flush)?;
        }
        // Otherwise the chunk has ended inside the row, and the decoder knows what is missing of it.
        if self.partial_row.is_empty() {
            self.encode_rows(&mut rest, file, flush)?;
            self.partial_row.extend_from_slice(rest);
        }
        self.check_partial_row()
    }

    /// Whether the chunk ended inside a row that is longer than [`LONG_ROW`].
    fn is_in_long_row(&self) -> bool {
        self.partial_row_needs() > LONG_ROW
    }

    /// The received bytes of the partial row, and those that its current field still needs.
    fn partial_row_needs(&self) -> usize {
        if self.partial_row.is_empty() {
            return 0;
        }
        self.partial_row.len() + self.decoder.missing()
    }

    /// The start of a row says how long it is: a row that is too long is not received.
    fn check_partial_row(&self) -> Result<(), EncodeError> {
        let bytes = self.partial_row_needs();
        if bytes <= MAX_ROW {
            return Ok(());
        }
        let id = Decoder::message_id(&self.partial_row);
        Err(EncodeError::row_too_long(id, bytes))
    }

    /// Appends what the format has not written yet, if the end of the COPY was among the bytes. Returns the number
    /// of rows and what the end of the file must know.
    pub fn finish(
        mut self,
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<(u64, F::Slice), EncodeError> {
        if !self.decoder.is_finished() || !self.partial_row.is_empty() {
            return Err(EncodeError::UnexpectedEnd);
        }
        Ok((self.rows, self.format.end_slice(file, flush)?))
    }

    /// The number of rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends some of the next bytes to the partial row, and encodes the row if it is complete. Returns
    /// the bytes that were not used.
    fn complete_row<'a>(
        &mut self,
        next: &'a [u8],
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<&'a [u8], EncodeError> {
        let carried = self.partial_row.len();
        let mut joined = std::mem::take(&mut self.partial_row);
        let missing = self.decoder.missing();
        if missing > next.len() {
            reserve(&mut joined, missing, next.len())?;
        }
        // Twice as many bytes each time: short rows copy little, long rows are decoded only a few times.
        let some = next.len().min(carried.max(512));
        joined.extend_from_slice(&next[..some]);
        let mut rest = joined.as_slice();
        self.encode_rows(&mut rest, file, flush)?;
        let used = joined.len() - rest.len();
        if used >= carried {
            return Ok(&next[used - carried..]);
        }
        joined.drain(..used);
        self.partial_row = joined;
        Ok(&next[some..])
    }

    fn encode_rows(
        &mut self,
        bytes: &mut &[u8],
        file: &mut Vec<u8>,
        flush: &mut Flush<'_>,
    ) -> Result<(), EncodeError> {
        while let Some(row) = self.decoder.next_row(bytes)? {
            if self.rows == self.file_ends_after
                && let Some(split) = &self.split
            {
                self.format = split.next_file(&mut self.format, file, flush)?;
                self.file_ends_after += split.max_rows;
            }
            self.format.push_row(file, &row, flush)?;
            self.rows += 1;
            // A row may be much longer in the file, because of its endpoint's URL.
            if file.len() >= FULL {
                flush(file);
            }
        }
        Ok(())
    }
}

/// Reserves memory for the `missing` bytes of a row and the rest of a chunk.
fn reserve(row: &mut Vec<u8>, missing: usize, chunk: usize) -> Result<(), EncodeError> {
    let bytes = row.len() + missing;
    // Exactly what the row needs: a vector that doubles needs three times as much for a moment. For a long
    // row, always the maximum: it is a mapping of its own, whose memory is used only when it is written and
    // returns to the system when the row ends. Smaller allocations would stay in the heap of each thread.
    let capacity = if bytes > LONG_ROW { MAX_ROW } else { bytes } + chunk;
    row.try_reserve_exact(capacity.saturating_sub(row.len()))
        .map_err(|_| EncodeError::OutOfMemory { bytes })
}
