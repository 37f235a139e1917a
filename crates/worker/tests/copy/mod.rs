//! Messages as the database sends them, and as the `csv` crate writes them: input and expected output of the
//! encoder.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, TimeDelta};
use exports_domain::Direction;
use uuid::Uuid;

/// One message. Times are in microseconds since 2000.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: Option<Uuid>,
    pub(crate) endpoint: Option<Uuid>,
    pub(crate) status: Option<String>,
    pub(crate) attempt_count: Option<i32>,
    /// `created_at`, `delivered_at`, `next_attempt_at`.
    pub(crate) times: [Option<i64>; 3],
    /// `response_status`, `response_latency_ms`, `total_delivery_ms`.
    pub(crate) response: [Option<i32>; 3],
    pub(crate) last_error: Option<String>,
    pub(crate) url: Option<String>,
}

/// A queued message with only the values that every message has.
impl Default for Message {
    fn default() -> Self {
        Self {
            id: Some(Uuid::nil()),
            endpoint: None,
            status: Some("queued".to_owned()),
            attempt_count: Some(0),
            times: [Some(0), None, None],
            response: [None; 3],
            last_error: None,
            url: None,
        }
    }
}

/// The URLs by endpoint.
pub(crate) type Urls = HashMap<Uuid, String>;

/// The whole COPY of these messages.
pub(crate) fn copy(messages: &[Message]) -> Vec<u8> {
    let mut copy = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for message in messages {
        copy.extend(12_i16.to_be_bytes());
        for field in fields(message) {
            let length = field.as_ref().map_or(-1, |field| {
                i32::try_from(field.len()).expect("a short field")
            });
            copy.extend(length.to_be_bytes());
            copy.extend(field.unwrap_or_default());
        }
    }
    copy.extend((-1_i16).to_be_bytes());
    copy
}

fn fields(message: &Message) -> [Option<Vec<u8>>; 12] {
    let uuid = |id: Option<Uuid>| id.map(|id| id.as_bytes().to_vec());
    let text = |text: &Option<String>| text.clone().map(String::into_bytes);
    let int = |int: Option<i32>| int.map(|int| int.to_be_bytes().to_vec());
    let [created_at, delivered_at, next_attempt_at] = message
        .times
        .map(|time| time.map(|time| time.to_be_bytes().to_vec()));
    let [status, latency, total] = message.response.map(int);
    [
        uuid(message.id),
        uuid(message.endpoint),
        text(&message.status),
        int(message.attempt_count),
        created_at,
        delivered_at,
        next_attempt_at,
        status,
        latency,
        total,
        text(&message.last_error),
        text(&message.url),
    ]
}

/// The fields of a row. `urls` are the known URLs, if the rows do not contain them.
pub(crate) fn record(
    direction: Direction,
    urls: Option<&Urls>,
    message: &Message,
) -> csv::StringRecord {
    let int = |int: Option<i32>| int.map(|int| int.to_string()).unwrap_or_default();
    let url = match urls {
        None => message.url.as_ref(),
        Some(urls) => message.endpoint.and_then(|id| urls.get(&id)),
    };
    let mut fields = vec![
        message.id.map(|id| id.to_string()).unwrap_or_default(),
        message
            .endpoint
            .map(|id| match direction {
                Direction::Outbound => format!("ep_{}", id.simple()),
                Direction::Inbound => id.to_string(),
            })
            .unwrap_or_default(),
        guarded(url),
        message.status.clone().unwrap_or_default(),
        int(message.attempt_count),
    ];
    fields.extend(message.times.map(|at| at.map(time).unwrap_or_default()));
    let numbers = match direction {
        Direction::Outbound => &message.response[..2],
        Direction::Inbound => &message.response,
    };
    fields.extend(numbers.iter().map(|number| int(*number)));
    fields.push(guarded(message.last_error.as_ref()));
    fields.into()
}

fn guarded(text: Option<&String>) -> String {
    let text = text.map_or("", String::as_str);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn time(micros: i64) -> String {
    const EPOCH_S: i64 = 946_684_800;
    let epoch = DateTime::from_timestamp(EPOCH_S, 0).expect("the year 2000");
    (epoch + TimeDelta::microseconds(micros)).to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The rows as the `csv` crate writes them.
pub(crate) fn written_by_the_csv_crate(records: &[csv::StringRecord]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for record in records {
        writer.write_record(record).expect("writes to memory");
    }
    writer.into_inner().expect("writes to memory")
}
