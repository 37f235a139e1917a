//! Turns the bytes of a COPY into the bytes of the file: RFC 4180, CRLF, quotes where needed.
//!
//! It works on a thread of its own: decoding and encoding never wait for the network, and the
//! network never waits for them.

use std::collections::HashMap;

use exports_domain::Direction;
use exports_storage::source::{Decoder, MessageRow};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::cells::{CellBuffer, UnwritableTime};
use crate::failing::JobError;
use crate::progress::Counters;

/// Chunks that may wait before and behind the encoder.
const WAITING: usize = 2;

const OUTBOUND: [&str; 11] = [
    "message_id",
    "endpoint_id",
    "endpoint",
    "status",
    "attempt_count",
    "created_at",
    "delivered_at",
    "next_attempt_at",
    "response_status",
    "response_latency_ms",
    "last_error",
];

const INBOUND: [&str; 12] = [
    "message_id",
    "inbound_endpoint_id",
    "endpoint",
    "status",
    "attempt_count",
    "received_at",
    "delivered_at",
    "next_attempt_at",
    "response_status",
    "response_latency_ms",
    "total_delivery_ms",
    "last_error",
];

/// Where the URL of a row's endpoint comes from.
#[derive(Debug)]
pub enum UrlSource {
    /// All of the project's endpoints.
    Map(HashMap<Uuid, String>),
    /// The row.
    Row,
}

/// Encodes the rows of one file.
pub struct Encoder {
    direction: Direction,
    urls: UrlSource,
    decoder: Decoder,
    /// The beginning of a row whose end is in the next chunk.
    cut_off: Vec<u8>,
    cells: CellBuffer,
    header_written: bool,
    rows: u64,
}

/// Why a chunk cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It is not what the query gives.
    #[error(transparent)]
    Decode(#[from] exports_storage::Error),
    /// A time cannot be written.
    #[error("message {message} has a {column} that is infinite or outside the years 1 to 9999")]
    Time {
        /// The message's id.
        message: String,
        /// Which of its times.
        column: &'static str,
    },
    /// The CSV writer failed, which writing to memory does not.
    #[error("the CSV writer failed")]
    Csv(#[from] csv::Error),
    /// There is less than the query gives.
    #[error("the rows end early")]
    EndsEarly,
}

/// The three ends of an encoder at work: where chunks of COPY go in, where chunks of CSV come
/// out, and the number of rows at the end.
type AtWork = (
    mpsc::Sender<Vec<u8>>,
    mpsc::Receiver<Vec<u8>>,
    JoinHandle<Result<u64, JobError>>,
);

/// Starts an encoder on a thread of its own. It ends when its input ends, or when nobody takes
/// its output any more.
pub(crate) fn spawn(mut encoder: Encoder, progress: Counters) -> AtWork {
    let (chunks, mut input) = mpsc::channel::<Vec<u8>>(WAITING);
    let (output, csv) = mpsc::channel(WAITING);
    let work = tokio::task::spawn_blocking(move || {
        while let Some(chunk) = input.blocking_recv() {
            let bytes = encoder.encode(&chunk)?;
            progress.set_rows(encoder.rows);
            if output.blocking_send(bytes).is_err() {
                // Whoever took it knows why it stopped.
                return Ok(encoder.rows);
            }
        }
        Ok(encoder.finish()?)
    });
    (chunks, csv, work)
}

impl Encoder {
    /// Encodes messages of this direction.
    #[must_use]
    pub fn new(direction: Direction, urls: UrlSource) -> Self {
        Self {
            direction,
            urls,
            decoder: Decoder::default(),
            cut_off: Vec::new(),
            cells: CellBuffer::default(),
            header_written: false,
            rows: 0,
        }
    }

    /// The file's bytes for the next bytes of the COPY; the first call's begin with the header.
    pub fn encode(&mut self, chunk: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let mut csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .buffer_capacity(64 * 1024)
            .from_writer(Vec::with_capacity(chunk.len() * 2));
        if !self.header_written {
            self.header_written = true;
            match self.direction {
                Direction::Outbound => csv.write_record(OUTBOUND)?,
                Direction::Inbound => csv.write_record(INBOUND)?,
            }
        }
        let carried = std::mem::take(&mut self.cut_off);
        let joined;
        let mut bytes = if carried.is_empty() {
            chunk
        } else {
            joined = [&carried, chunk].concat();
            &joined
        };
        while let Some(row) = self.decoder.next_row(&mut bytes)? {
            write_row(&mut csv, &mut self.cells, self.direction, &self.urls, &row)?;
            self.rows += 1;
        }
        self.cut_off = bytes.to_vec();
        csv.into_inner()
            .map_err(|error| EncodeError::Csv(error.into_error().into()))
    }

    /// The number of rows, once the COPY's end was among the bytes.
    pub fn finish(self) -> Result<u64, EncodeError> {
        if self.decoder.is_finished() && self.cut_off.is_empty() {
            Ok(self.rows)
        } else {
            Err(EncodeError::EndsEarly)
        }
    }
}

fn write_row(
    csv: &mut csv::Writer<Vec<u8>>,
    cells: &mut CellBuffer,
    direction: Direction,
    urls: &UrlSource,
    row: &MessageRow<'_>,
) -> Result<(), EncodeError> {
    let url = match urls {
        UrlSource::Row => row.url,
        UrlSource::Map(urls) => row
            .endpoint_id
            .and_then(|id| urls.get(&Uuid::from_bytes(id)))
            .map(String::as_str),
    };
    let unwritable = |column| {
        move |UnwritableTime| EncodeError::Time {
            message: row.id.map_or_else(
                || "without id".to_owned(),
                |id| Uuid::from_bytes(id).to_string(),
            ),
            column,
        }
    };
    let created_at = match direction {
        Direction::Outbound => "created_at",
        Direction::Inbound => "received_at",
    };
    csv.write_field(cells.uuid(row.id))?;
    csv.write_field(match direction {
        Direction::Outbound => cells.outbound_endpoint(row.endpoint_id),
        Direction::Inbound => cells.uuid(row.endpoint_id),
    })?;
    csv.write_field(cells.free_text(url))?;
    csv.write_field(row.status.unwrap_or_default())?;
    csv.write_field(cells.int(row.attempt_count))?;
    csv.write_field(cells.time(row.created_at).map_err(unwritable(created_at))?)?;
    csv.write_field(
        cells
            .time(row.delivered_at)
            .map_err(unwritable("delivered_at"))?,
    )?;
    csv.write_field(
        cells
            .time(row.next_attempt_at)
            .map_err(unwritable("next_attempt_at"))?,
    )?;
    csv.write_field(cells.int(row.response_status))?;
    csv.write_field(cells.int(row.response_latency_ms))?;
    if direction == Direction::Inbound {
        csv.write_field(cells.int(row.total_delivery_ms))?;
    }
    csv.write_field(cells.free_text(row.last_error))?;
    csv.write_record(None::<&[u8]>)?;
    Ok(())
}

impl From<EncodeError> for JobError {
    fn from(error: EncodeError) -> Self {
        match &error {
            EncodeError::Decode(decode) => Self::source(decode),
            EncodeError::Time { message, column } => Self::invalid_data(
                &format!(
                    "Message {message} has a {column} that is infinite or outside the years 1 to 9999."
                ),
                error.to_string(),
            ),
            EncodeError::Csv(_) | EncodeError::EndsEarly => Self::internal(&error),
        }
    }
}
