//! Turns the bytes of a COPY into the bytes of the file: RFC 4180, CRLF, quotes where needed.
//!
//! It works on a thread of its own: decoding and encoding never wait for the network, and the
//! network never waits for them.

use std::sync::Arc;

use exports_domain::Direction;
use exports_formats::csv::{CsvWriter, UnwritableTime, UrlSource};
use exports_source::Decoder;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::job::{Counters, JobError};
use crate::pipeline::buffer_pool::{Buffer, BufferPool};
use crate::pipeline::reorder_buffer::SliceInput;

/// Chunks that may wait for the encoder.
const WAITING: usize = 2;

/// Encodes the rows of one slice of a file: one COPY.
#[derive(Debug)]
pub struct Encoder {
    decoder: Decoder,
    writer: CsvWriter,
    /// The beginning of a row whose end is in the next chunk.
    cut_off: Vec<u8>,
    rows: u64,
}

/// Why a chunk cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It is not what the query gives.
    #[error(transparent)]
    Decode(#[from] exports_source::Error),
    /// A time cannot be written.
    #[error(transparent)]
    Time(#[from] UnwritableTime),
    /// A row cannot be kept in memory.
    #[error("there is no memory for a row of more than {bytes} bytes")]
    Memory {
        /// What has come of it, and what its field at hand still needs.
        bytes: usize,
    },
    /// There is less than the query gives.
    #[error("the rows end early")]
    EndsEarly,
}

/// What a slice came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// An encoder at work.
pub(crate) type Encoding = JoinHandle<Result<Option<Encoded>, JobError>>;

/// Starts an encoder on a thread of its own: chunks of COPY go into the sender, CSV comes out of
/// the slice. It ends when its input ends, or with `None` when nobody takes its output any more.
pub(crate) fn spawn(
    mut encoder: Encoder,
    output: SliceInput,
    buffers: BufferPool,
    progress: Counters,
) -> (mpsc::Sender<Buffer>, Encoding) {
    let (chunks, mut input) = mpsc::channel::<Buffer>(WAITING);
    let work = tokio::task::spawn_blocking(move || {
        let (mut bytes, mut is_taken) = (0, true);
        let mut pass_on = |csv: &mut Vec<u8>| {
            let mut full = buffers.take();
            std::mem::swap(&mut *full, csv);
            bytes += full.len() as u64;
            is_taken = is_taken && (full.is_empty() || output.blocking_send(full));
            is_taken
        };
        let mut csv = buffers.take();
        while let Some(chunk) = input.blocking_recv() {
            csv.reserve(chunk.len() * 2);
            let before = encoder.rows;
            encoder.encode(&chunk, &mut csv, &mut |csv| {
                pass_on(csv);
            })?;
            progress.add_rows(encoder.rows - before);
            if !pass_on(&mut csv) {
                // Whoever took it knows why it stopped.
                return Ok(None);
            }
        }
        let rows = encoder.finish()?;
        Ok(Some(Encoded { rows, bytes }))
    });
    (chunks, work)
}

impl Encoder {
    /// Encodes messages of this direction.
    #[must_use]
    pub fn new(direction: Direction, urls: Arc<UrlSource>) -> Self {
        Self {
            decoder: Decoder::default(),
            writer: CsvWriter::new(direction, urls),
            cut_off: Vec::new(),
            rows: 0,
        }
    }

    /// Appends the next bytes of the COPY to the file, as far as they are whole rows; a row that is
    /// cut off is completed by the next call. In the middle of a long text, `pass_on` takes what is
    /// written so far, so that a row is in memory once: as it came. After an error the end of `csv`
    /// is of no use.
    pub fn encode(
        &mut self,
        chunk: &[u8],
        csv: &mut Vec<u8>,
        pass_on: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), EncodeError> {
        let mut rest = chunk;
        while !self.cut_off.is_empty() && !rest.is_empty() {
            rest = self.complete(rest, csv, pass_on)?;
        }
        self.encode_rows(&mut rest, csv, pass_on)?;
        self.cut_off.extend_from_slice(rest);
        Ok(())
    }

    /// The number of rows, once there are all: the COPY's end was among the bytes.
    pub fn finish(self) -> Result<u64, EncodeError> {
        if self.decoder.is_finished() && self.cut_off.is_empty() {
            Ok(self.rows)
        } else {
            Err(EncodeError::EndsEarly)
        }
    }

    /// The number of rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Puts some of the next bytes behind the row that is cut off, and encodes it if that completes
    /// it. Gives the bytes behind those it took.
    fn complete<'a>(
        &mut self,
        next: &'a [u8],
        csv: &mut Vec<u8>,
        pass_on: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<&'a [u8], EncodeError> {
        let carried = self.cut_off.len();
        let mut joined = std::mem::take(&mut self.cut_off);
        let missing = self.decoder.missing();
        if missing > next.len() {
            // All that it needs at once: a vector that grows takes twice as much, for a moment three
            // times.
            let reserved = joined.try_reserve_exact(missing + next.len());
            let bytes = carried + missing;
            reserved.map_err(|_| EncodeError::Memory { bytes })?;
        }
        // Twice as many each time: short rows copy little, long ones are looked at a few times.
        let some = next.len().min(carried.max(512));
        joined.extend_from_slice(&next[..some]);
        let mut rest = joined.as_slice();
        self.encode_rows(&mut rest, csv, pass_on)?;
        let used = joined.len() - rest.len();
        if used >= carried {
            return Ok(&next[used - carried..]);
        }
        joined.drain(..used);
        self.cut_off = joined;
        Ok(&next[some..])
    }

    fn encode_rows(
        &mut self,
        bytes: &mut &[u8],
        csv: &mut Vec<u8>,
        pass_on: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), EncodeError> {
        while let Some(row) = self.decoder.next_row(bytes)? {
            self.writer.push(csv, &row, pass_on)?;
            self.rows += 1;
        }
        Ok(())
    }
}

impl From<EncodeError> for JobError {
    fn from(error: EncodeError) -> Self {
        match &error {
            EncodeError::Decode(decode) => Self::rows(decode),
            EncodeError::Time(UnwritableTime { message, column }) => Self::invalid_data(
                &format!(
                    "Message {message} has a {column} that is infinite or outside the years 1 to 9999."
                ),
                error.to_string(),
            ),
            EncodeError::EndsEarly | EncodeError::Memory { .. } => Self::internal(&error),
        }
    }
}
