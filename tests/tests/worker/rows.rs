//! A model of the messages, and of their rows in the file.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use exports_domain::{Direction, time};
use exports_tests::{Message, TestDatabase, uuid};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Fixture, PROJECT};

pub(crate) const OUTBOUND_HEADER: &str = "message_id,endpoint_id,endpoint,status,attempt_count,created_at,delivered_at,next_attempt_at,response_status,response_latency_ms,last_error\r\n";
pub(crate) const INBOUND_HEADER: &str = "message_id,inbound_endpoint_id,endpoint,status,attempt_count,received_at,delivered_at,next_attempt_at,response_status,response_latency_ms,total_delivery_ms,last_error\r\n";

/// A message with all columns.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) direction: Direction,
    pub(crate) endpoint: Uuid,
    pub(crate) status: &'static str,
    pub(crate) attempt_count: i32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) delivered_at: Option<DateTime<Utc>>,
    pub(crate) next_attempt_at: Option<DateTime<Utc>>,
    pub(crate) response_status: Option<i32>,
    pub(crate) response_latency_ms: Option<i32>,
    pub(crate) total_delivery_ms: Option<i32>,
    pub(crate) last_error: Option<String>,
}

impl Row {
    /// An outbound message with this number, created `number` seconds after noon of 2025-12-03.
    pub(crate) fn plain(number: u32) -> Self {
        let noon = time::parse("2025-12-03T12:00:00Z").expect("a time");
        Self {
            id: uuid(number.into()),
            direction: Direction::Outbound,
            endpoint: uuid(0),
            status: "succeeded",
            attempt_count: 1,
            created_at: noon + chrono::TimeDelta::seconds(number.into()),
            delivered_at: None,
            next_attempt_at: None,
            response_status: None,
            response_latency_ms: None,
            total_delivery_ms: None,
            last_error: None,
        }
    }

    pub(crate) fn message(&self) -> Message {
        let time = |time: Option<DateTime<Utc>>| Value::from(time.map(in_full));
        let message = match self.direction {
            Direction::Outbound => Message::outbound(PROJECT),
            Direction::Inbound => Message::inbound(PROJECT),
        };
        message
            .id(self.id)
            .endpoint(self.endpoint)
            .status(self.status)
            .at(&in_full(self.created_at))
            .with("attempt_count", self.attempt_count)
            .with("delivered_at", time(self.delivered_at))
            .with("next_attempt_at", time(self.next_attempt_at))
            .with("response_status", self.response_status)
            .with("response_latency_ms", self.response_latency_ms)
            .with("total_delivery_ms", self.total_delivery_ms)
            .with("last_error", self.last_error.clone())
    }

    /// The values of the row in the file.
    pub(crate) fn values(&self, urls: &HashMap<Uuid, String>) -> Vec<Option<String>> {
        let time = |time: Option<DateTime<Utc>>| time.map(in_full);
        let int = |number: Option<i32>| number.map(|number| number.to_string());
        let mut values = vec![
            Some(self.id.to_string()),
            Some(match self.direction {
                Direction::Outbound => format!("ep_{}", self.endpoint.simple()),
                Direction::Inbound => self.endpoint.to_string(),
            }),
            urls.get(&self.endpoint).cloned(),
            Some(self.status.to_owned()),
            Some(self.attempt_count.to_string()),
            Some(in_full(self.created_at)),
            time(self.delivered_at),
            time(self.next_attempt_at),
            int(self.response_status),
            int(self.response_latency_ms),
        ];
        if self.direction == Direction::Inbound {
            values.push(int(self.total_delivery_ms));
        }
        values.push(self.last_error.clone());
        values
    }

    /// The fields of the row in the file, with a prefix where a spreadsheet would read a formula.
    pub(crate) fn record(&self, urls: &HashMap<Uuid, String>) -> Vec<String> {
        let int = |number: Option<i32>| number.map(|n| n.to_string()).unwrap_or_default();
        let time = |time: Option<DateTime<Utc>>| time.map(in_full).unwrap_or_default();
        let inbound = self.direction == Direction::Inbound;
        let endpoint = match self.direction {
            Direction::Outbound => format!("ep_{}", self.endpoint.simple()),
            Direction::Inbound => self.endpoint.to_string(),
        };
        let mut cells = vec![
            self.id.to_string(),
            endpoint,
            guarded(urls.get(&self.endpoint).map_or("", String::as_str)),
            self.status.to_owned(),
            self.attempt_count.to_string(),
            in_full(self.created_at),
            time(self.delivered_at),
            time(self.next_attempt_at),
            int(self.response_status),
            int(self.response_latency_ms),
        ];
        cells.extend(inbound.then(|| int(self.total_delivery_ms)));
        cells.push(guarded(self.last_error.as_deref().unwrap_or_default()));
        cells
    }
}

/// The expected file of these rows of one direction, in any order.
pub(crate) fn file_of<'a>(
    direction: Direction,
    rows: impl IntoIterator<Item = &'a Row>,
    urls: &HashMap<Uuid, String>,
) -> String {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|row| (row.created_at, row.id));
    let mut csv = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::Necessary)
        .from_writer(match direction {
            Direction::Outbound => OUTBOUND_HEADER.as_bytes().to_vec(),
            Direction::Inbound => INBOUND_HEADER.as_bytes().to_vec(),
        });
    for row in rows {
        csv.write_record(row.record(urls)).expect("a record");
    }
    let bytes = csv.into_inner().expect("the whole file");
    String::from_utf8(bytes).expect("the file is UTF-8")
}

/// Inserts outbound messages with an error of 100,000 bytes each, and returns the expected file. 84 messages fill the first part of an
/// upload.
pub(crate) async fn put_large(database: &TestDatabase, count: u32) -> String {
    let rows: Vec<_> = (0..count)
        .map(|number| Row {
            last_error: Some(format!("{number:08}").repeat(12_500)),
            ..Row::plain(number)
        })
        .collect();
    // The server generates the long texts itself, because sending them takes longer.
    let plain: Vec<_> = rows
        .iter()
        .map(|row| row.message().with("last_error", Value::Null))
        .collect();
    Message::insert(database.pool(), &plain).await;
    database
        .execute(
            "UPDATE messages SET last_error = repeat(
                lpad(extract(epoch FROM created_at - '2025-12-03T12:00:00Z')::int::text, 8, '0'), 12500)",
        )
        .await;
    file_of(Direction::Outbound, &rows, &HashMap::new())
}

fn in_full(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// Outbound messages of the project, a millisecond apart. Can be called again for more.
pub(crate) async fn put_many(fixture: &Fixture, count: u32) {
    fixture
        .database()
        .execute(format!(
            "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at)
             SELECT gen_random_uuid(), '{PROJECT}', 'outbound', '01935abc-0000-7000-8000-000000000000', 'succeeded', 1,
                    '2025-12-03T12:00:00Z'::timestamptz + n * interval '1 ms'
             FROM generate_series(1, {count}) n"
        ))
        .await;
    fixture.database().execute("ANALYZE messages").await;
}
