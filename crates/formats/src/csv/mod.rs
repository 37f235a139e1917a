//! CSV as in RFC 4180: quotes only where they are required.
//!
//! [`CsvWriter`] writes the rows of a file without options: commas, CRLF, all columns, UTC. [`CustomCsvWriter`]
//! writes all others. `text` writes the fields that can require quotes, `endpoint_fields` the two that many
//! rows have in common, `fields` all others.

mod custom;
mod endpoint_fields;
mod text;

use std::sync::Arc;

use exports_domain::{Column, Direction, InvalidValue, MessageRow};

use self::text::Dialect;
use crate::fields::{TimeField, push_int, push_uuid};
use crate::values::{message_id, out_of_range};
use crate::{Flush, Format, RowFormat, TextFrame, WriteError};

pub use custom::CustomCsvWriter;
pub use endpoint_fields::EndpointFields;

const END_OF_ROW: &[u8] = b"\r\n";

/// Writes CSV without options.
#[derive(Debug, Clone)]
pub struct CsvWriter {
    direction: Direction,
    endpoints: Arc<EndpointFields>,
    time: TimeField,
}

impl CsvWriter {
    /// Writes messages of this direction.
    #[must_use]
    pub fn new(direction: Direction, endpoints: Arc<EndpointFields>) -> Self {
        Self {
            direction,
            endpoints,
            time: TimeField::default(),
        }
    }
}

impl Format for CsvWriter {
    const HAS_GROUPS: bool = false;

    type Rows = Self;
    type Frame = TextFrame;

    fn rows(&self) -> Self {
        self.clone()
    }

    fn frame(&self) -> TextFrame {
        let columns = Column::all_of(self.direction).iter();
        let names: Vec<_> = columns.map(|column| column.as_str()).collect();
        let mut header = names.join(",").into_bytes();
        header.extend_from_slice(END_OF_ROW);
        TextFrame::new(header)
    }
}

impl RowFormat for CsvWriter {
    type Slice = ();

    fn push_row(
        &mut self,
        file: &mut Vec<u8>,
        row: &MessageRow<'_>,
        flush: &mut Flush<'_>,
    ) -> Result<(), WriteError> {
        let created_at = self.direction.time_column();
        if row.id.is_none() || row.attempt_count.is_none() || row.created_at.is_none() {
            return Err(missing(row, created_at).into());
        }
        push_uuid(file, row.id);
        self.endpoints
            .push(file, self.direction, row.endpoint_id, row.url, flush);
        if !text::push_status(file, row.status) {
            return Err(InvalidValue::status(message_id(row), row.status).into());
        }
        push_int(file, row.attempt_count);
        for (time, column) in [
            (row.created_at, created_at),
            (row.delivered_at, "delivered_at"),
            (row.next_attempt_at, "next_attempt_at"),
        ] {
            self.time
                .push(file, time)
                .map_err(|error| out_of_range(row, column, error))?;
        }
        push_int(file, row.response_status);
        push_int(file, row.response_latency_ms);
        if self.direction == Direction::Inbound {
            push_int(file, row.total_delivery_ms);
        }
        let last_error = row.last_error.unwrap_or_default();
        text::push_free_text(file, last_error.as_bytes(), Dialect::PLAIN, flush);
        file.extend_from_slice(END_OF_ROW);
        Ok(())
    }

    fn end_slice(&mut self, _file: &mut Vec<u8>, _flush: &mut Flush<'_>) -> Result<(), WriteError> {
        Ok(())
    }
}

#[cold]
fn missing(row: &MessageRow<'_>, created_at: &'static str) -> InvalidValue {
    let column = match row {
        MessageRow { id: None, .. } => "message_id",
        MessageRow {
            attempt_count: None,
            ..
        } => "attempt_count",
        _ => created_at,
    };
    InvalidValue::missing(message_id(row), column)
}
