//! CSV as RFC 4180 has it: commas, CRLF, quotes only where they are needed.
//!
//! [`CsvWriter`] writes rows. `text` writes the fields that can need quotes, `fields` all others,
//! `endpoint_fields` the two that repeat in many rows.

mod endpoint_fields;
mod fields;
mod text;

use std::sync::Arc;

use exports_domain::{Direction, MessageRow};
use uuid::Uuid;

use fields::{OutOfRange, TimeField, push_int, push_uuid};
use text::PassOn;

pub use endpoint_fields::{EndpointFields, UrlSource};

const END_OF_ROW: &[u8] = b"\r\n";

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

/// The header row of a file.
#[must_use]
pub fn header(direction: Direction) -> Vec<u8> {
    let names: &[&str] = match direction {
        Direction::Outbound => &OUTBOUND,
        Direction::Inbound => &INBOUND,
    };
    let mut row = names.join(",").into_bytes();
    row.extend_from_slice(END_OF_ROW);
    row
}

/// A time that a file cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("message {message} has a {column} that is infinite or outside the years 1 to 9999")]
pub struct UnwritableTime {
    /// The message's id.
    pub message: String,
    /// Which of its times.
    pub column: &'static str,
}

/// Writes the rows of one file, or of a part of it.
#[derive(Debug)]
pub struct CsvWriter {
    direction: Direction,
    urls: Arc<UrlSource>,
    time: TimeField,
}

impl CsvWriter {
    /// For messages of this direction.
    #[must_use]
    pub fn new(direction: Direction, urls: Arc<UrlSource>) -> Self {
        Self {
            direction,
            urls,
            time: TimeField::default(),
        }
    }

    /// Appends a row. In the middle of a long text, `pass_on` takes what is written so far.
    pub fn push(
        &mut self,
        csv: &mut Vec<u8>,
        row: &MessageRow<'_>,
        pass_on: &mut PassOn<'_>,
    ) -> Result<(), UnwritableTime> {
        let created_at = match self.direction {
            Direction::Outbound => "created_at",
            Direction::Inbound => "received_at",
        };
        push_uuid(csv, row.id);
        self.urls
            .push(csv, self.direction, row.endpoint_id, row.url, pass_on);
        text::push_status(csv, row.status.unwrap_or_default(), pass_on);
        push_int(csv, row.attempt_count);
        for (time, column) in [
            (row.created_at, created_at),
            (row.delivered_at, "delivered_at"),
            (row.next_attempt_at, "next_attempt_at"),
        ] {
            self.time
                .push(csv, time)
                .map_err(|OutOfRange| unwritable(row.id, column))?;
        }
        push_int(csv, row.response_status);
        push_int(csv, row.response_latency_ms);
        if self.direction == Direction::Inbound {
            push_int(csv, row.total_delivery_ms);
        }
        let last_error = row.last_error.unwrap_or_default();
        text::push_free_text(csv, last_error.as_bytes(), pass_on);
        csv.extend_from_slice(END_OF_ROW);
        Ok(())
    }
}

fn unwritable(id: Option<[u8; 16]>, column: &'static str) -> UnwritableTime {
    UnwritableTime {
        message: id.map_or_else(
            || "without id".to_owned(),
            |id| Uuid::from_bytes(id).to_string(),
        ),
        column,
    }
}
