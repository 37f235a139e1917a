//! Encodes messages for `COPY … FROM STDIN (FORMAT binary)`.

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Utc};
use exports_domain::ProjectId;

use super::SeedMessage;

/// Messages in binary COPY format, which needs no escaping and no parsing in the server. A batch needs no connection, so another
/// thread can fill it.
#[derive(Debug, Default)]
pub struct MessageBatch {
    pub(super) bytes: BytesMut,
    rows: u64,
}

/// The columns of [`MessageBatch::push`], in its order.
pub(super) const COPY_MESSAGES: &str = "COPY messages (id, project_id, direction, endpoint_id, status, \
     attempt_count, created_at, delivered_at, next_attempt_at, response_status, \
     response_latency_ms, total_delivery_ms, last_error) FROM STDIN (FORMAT binary)";
const COPY_COLUMNS: i16 = 13;
/// The signature, no flags, no extension.
pub(super) const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The end of the rows, in the place of a row's number of columns.
pub(super) const COPY_TRAILER: i16 = -1;
/// The epoch of PostgreSQL, 2000-01-01, in Unix microseconds.
const EPOCH_US: i64 = 946_684_800_000_000;

impl MessageBatch {
    /// An empty batch with this capacity in bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: BytesMut::with_capacity(bytes),
            rows: 0,
        }
    }

    /// Adds a message of a project.
    pub fn push(&mut self, project: &ProjectId, message: &SeedMessage) {
        self.rows += 1;
        self.bytes.put_i16(COPY_COLUMNS);
        self.field(message.id.as_bytes());
        self.field(project.as_str().as_bytes());
        self.field(message.direction.as_str().as_bytes());
        self.field(message.endpoint.0.as_bytes());
        self.field(message.status.as_str().as_bytes());
        self.integer(Some(message.attempt_count));
        self.time(Some(message.created_at));
        self.time(message.delivered_at);
        self.time(message.next_attempt_at);
        self.integer(message.response_status);
        self.integer(message.response_latency_ms);
        self.integer(message.total_delivery_ms);
        match &message.last_error {
            Some(error) => self.field(error.as_bytes()),
            None => self.null(),
        }
    }

    /// The number of messages.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Their size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn field(&mut self, value: &[u8]) {
        // PostgreSQL refuses values above 1 GiB, so also one that does not fit i32.
        self.bytes
            .put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.bytes.put_slice(value);
    }

    fn null(&mut self) {
        self.bytes.put_i32(-1);
    }

    fn integer(&mut self, value: Option<i32>) {
        match value {
            Some(value) => self.field(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    fn time(&mut self, value: Option<DateTime<Utc>>) {
        match value {
            Some(value) => self.field(&(value.timestamp_micros() - EPOCH_US).to_be_bytes()),
            None => self.null(),
        }
    }
}
