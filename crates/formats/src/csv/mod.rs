//! CSV as in RFC 4180: commas, CRLF, quotes only where they are required.
//!
//! [`CsvWriter`] writes rows. `text` writes the fields that can require quotes, `endpoint_fields` the two
//! that many rows have in common, `fields` all others.

mod endpoint_fields;
mod fields;
mod text;

use std::sync::Arc;

use exports_domain::{Column, Direction, Fault, InvalidValue, MessageRow};
use uuid::Uuid;

use crate::{Flush, RowFormat};
use fields::{OutOfRange, TimeField, push_int, push_uuid};

pub use endpoint_fields::EndpointFields;

const END_OF_ROW: &[u8] = b"\r\n";

/// Writes CSV.
#[derive(Debug)]
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

impl RowFormat for CsvWriter {
    const END_OF_FILE: &'static [u8] = b"";

    fn header(direction: Direction) -> Vec<u8> {
        let columns = Column::all_of(direction).iter();
        let names: Vec<_> = columns.map(|it| it.as_str()).collect();
        let mut row = names.join(",").into_bytes();
        row.extend_from_slice(END_OF_ROW);
        row
    }

    fn push_row(
        &mut self,
        file: &mut Vec<u8>,
        row: &MessageRow<'_>,
        flush: &mut Flush<'_>,
    ) -> Result<(), InvalidValue> {
        let created_at = self.direction.time_column();
        if row.id.is_none() || row.attempt_count.is_none() || row.created_at.is_none() {
            return Err(missing(row, created_at));
        }
        push_uuid(file, row.id);
        self.endpoints
            .push(file, self.direction, row.endpoint_id, row.url, flush);
        if !text::push_status(file, row.status) {
            return Err(InvalidValue::status(message_id(row), row.status));
        }
        push_int(file, row.attempt_count);
        for (time, column) in [
            (row.created_at, created_at),
            (row.delivered_at, "delivered_at"),
            (row.next_attempt_at, "next_attempt_at"),
        ] {
            self.time
                .push(file, time)
                .map_err(|OutOfRange| out_of_range(row, column))?;
        }
        push_int(file, row.response_status);
        push_int(file, row.response_latency_ms);
        if self.direction == Direction::Inbound {
            push_int(file, row.total_delivery_ms);
        }
        let last_error = row.last_error.unwrap_or_default();
        text::push_free_text(file, last_error.as_bytes(), flush);
        file.extend_from_slice(END_OF_ROW);
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

#[cold]
fn out_of_range(row: &MessageRow<'_>, column: &'static str) -> InvalidValue {
    InvalidValue {
        message: message_id(row),
        column,
        fault: Fault::TimeOutOfRange,
    }
}

fn message_id(row: &MessageRow<'_>) -> Option<String> {
    row.id.map(|id| Uuid::from_bytes(id).to_string())
}
