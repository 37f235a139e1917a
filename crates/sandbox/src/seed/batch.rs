//! Messages in the form of `COPY … FROM STDIN (FORMAT binary)`. What sends them is the parent.

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Utc};
use exports_domain::ProjectId;

use super::SeedMessage;

/// Messages in the form in which they are sent: binary COPY, which needs no quoting and costs the
/// server no parsing. Filling one needs no connection, so that it can be done on another thread.
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
/// In place of a row's number of columns: the end.
pub(super) const COPY_TRAILER: i16 = -1;
/// 2000-01-01, from which PostgreSQL counts, in Unix microseconds.
const EPOCH_US: i64 = 946_684_800_000_000;

impl MessageBatch {
    /// An empty batch with room for so many bytes.
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

    /// How many messages are in it.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn field(&mut self, value: &[u8]) {
        // PostgreSQL has no larger value than 1 GiB, so a longer one than i32 holds is refused by
        // the server in any case.
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
