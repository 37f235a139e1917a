//! Any rows, and the values that a file must have for them.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use exports_domain::{Column, Direction, FileTimeZone, MessageRow, MessageStatus, PgTimestamp};
use exports_formats::{FileFrame, FileShape, Format, RowFormat};
use proptest::prelude::*;
use uuid::Uuid;

const YEAR_1: i64 = -63_082_281_600_000_000;
const YEAR_10000: i64 = 252_455_616_000_000_000;
/// In a zone, the local year must have four digits, too; and before 1972, some offsets have seconds.
const YEAR_1972: i64 = -883_612_800_000_000;

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) endpoint: Option<Uuid>,
    pub(crate) status: &'static str,
    pub(crate) attempt_count: i32,
    pub(crate) times: (i64, [Option<i64>; 2]),
    pub(crate) response: [Option<i32>; 3],
    pub(crate) last_error: Option<String>,
    pub(crate) url: Option<String>,
}

/// A value in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Unset,
    Text(String),
    /// Text that a third party can choose.
    FreeText(String),
    Int(i32),
    /// Microseconds since 1970.
    Time(i64),
}

/// The URLs by endpoint, if they are not in the rows.
pub(crate) type Urls = Option<HashMap<Uuid, String>>;

impl Message {
    pub(crate) fn row(&self) -> MessageRow<'_> {
        MessageRow {
            id: Some(self.id.into_bytes()),
            endpoint_id: self.endpoint.map(Uuid::into_bytes),
            status: Some(self.status),
            attempt_count: Some(self.attempt_count),
            created_at: Some(PgTimestamp(self.times.0)),
            delivered_at: self.times.1[0].map(PgTimestamp),
            next_attempt_at: self.times.1[1].map(PgTimestamp),
            response_status: self.response[0],
            response_latency_ms: self.response[1],
            total_delivery_ms: self.response[2],
            last_error: self.last_error.as_deref(),
            url: self.url.as_deref(),
        }
    }

    pub(crate) fn cell(&self, column: Column, urls: &Urls) -> Cell {
        let text = |text: Option<String>| text.map_or(Cell::Unset, Cell::Text);
        let free =
            |text: Option<&String>| text.map_or(Cell::Unset, |it| Cell::FreeText(it.clone()));
        let int = |number: Option<i32>| number.map_or(Cell::Unset, Cell::Int);
        let time = |micros: Option<i64>| {
            micros.map_or(Cell::Unset, |micros| {
                Cell::Time(micros + 946_684_800_000_000)
            })
        };
        match column {
            Column::MessageId => Cell::Text(self.id.to_string()),
            Column::EndpointId => text(self.endpoint.map(|id| format!("ep_{}", id.simple()))),
            Column::InboundEndpointId => text(self.endpoint.map(|id| id.to_string())),
            Column::Endpoint => free(match urls {
                None => self.url.as_ref(),
                Some(urls) => self.endpoint.and_then(|id| urls.get(&id)),
            }),
            Column::Status => Cell::Text(self.status.to_owned()),
            Column::AttemptCount => Cell::Int(self.attempt_count),
            Column::CreatedAt | Column::ReceivedAt => time(Some(self.times.0)),
            Column::DeliveredAt => time(self.times.1[0]),
            Column::NextAttemptAt => time(self.times.1[1]),
            Column::ResponseStatus => int(self.response[0]),
            Column::ResponseLatencyMs => int(self.response[1]),
            Column::TotalDeliveryMs => int(self.response[2]),
            Column::LastError => free(self.last_error.as_ref()),
        }
    }
}

/// A time in text.
pub(crate) fn time(micros: i64, zone: FileTimeZone) -> String {
    let time = DateTime::<Utc>::from_timestamp_micros(micros).expect("in range");
    if zone == FileTimeZone::UTC {
        return time.to_rfc3339_opts(SecondsFormat::Micros, true);
    }
    time.with_timezone(&zone.tz())
        .to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// Writes the messages, in slices of these lengths.
pub(crate) fn written<F: Format>(format: &F, messages: &[Message], slices: &[usize]) -> Vec<u8> {
    let mut frame = format.frame();
    let mut file = frame.start();
    let mut rest = messages;
    for length in slices.iter().copied().chain([usize::MAX]) {
        let (slice, later) = rest.split_at(length.min(rest.len()));
        rest = later;
        let begins_at = file.len() as u64;
        let mut rows = format.rows();
        let (mut unflushed, mut flushed) = (Vec::new(), Vec::new());
        for message in slice {
            rows.push_row(&mut unflushed, &message.row(), &mut |it| flushed.append(it))
                .expect("valid rows");
        }
        let end = rows
            .end_slice(&mut unflushed, &mut |it| flushed.append(it))
            .expect("a slice");
        file.append(&mut flushed);
        file.append(&mut unflushed);
        frame.add_slice(begins_at, end);
    }
    file.extend(frame.end().expect("an end"));
    file
}

fn endpoint() -> impl Strategy<Value = Uuid> {
    (0..6_u128).prop_map(Uuid::from_u128)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[=+@;|,\"\\\\\r\n\t'a é-]{0,30}",
        "[\\x00-\\x20]{0,10}",
        Just(String::new()),
        Just("succeeded".to_owned()),
        ("[a\"\né]", 0..150_000_usize).prop_map(|(unit, times)| unit.repeat(times)),
    ]
}

fn int() -> impl Strategy<Value = Option<i32>> {
    prop::option::of(prop_oneof![any::<i32>(), 0..1200])
}

pub(crate) fn message(zone: FileTimeZone) -> impl Strategy<Value = Message> {
    let times = if zone == FileTimeZone::UTC {
        YEAR_1..YEAR_10000
    } else {
        YEAR_1972..1_199_232_000_000_000
    };
    (
        any::<u128>().prop_map(Uuid::from_u128),
        prop::option::of(endpoint()),
        prop::sample::select(MessageStatus::NAMES),
        prop_oneof![any::<i32>(), 0..1200],
        (
            times.clone(),
            prop::array::uniform2(prop::option::of(times)),
        ),
        prop::array::uniform3(int()),
        prop::option::of(text()),
        prop::option::of(text()),
    )
        .prop_map(
            |(id, endpoint, status, attempt_count, times, response, last_error, url)| Message {
                id,
                endpoint,
                status,
                attempt_count,
                times,
                response,
                last_error,
                url,
            },
        )
}

pub(crate) fn urls() -> impl Strategy<Value = Urls> {
    prop::option::of(prop::collection::hash_map(endpoint(), text(), 0..4))
}

/// Some columns of one direction, in any order, and a zone.
pub(crate) fn shape() -> impl Strategy<Value = FileShape> {
    let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"];
    let direction = prop::sample::select(vec![Direction::Outbound, Direction::Inbound]);
    let columns = direction.prop_flat_map(|direction| {
        let all = Column::all_of(direction).to_vec();
        let some = prop::sample::subsequence(all.clone(), 1..=all.len());
        prop_oneof![Just(all), some.prop_shuffle()]
    });
    (columns, prop::sample::select(zones.to_vec())).prop_map(|(columns, zone)| FileShape {
        columns,
        time_zone: zone.parse().expect("a zone"),
    })
}

/// A shape, messages for it, the URLs, and lengths of slices.
pub(crate) fn files() -> impl Strategy<Value = (FileShape, Vec<Message>, Urls, Vec<usize>)> {
    shape().prop_flat_map(|shape| {
        let messages = prop::collection::vec(message(shape.time_zone), 0..10);
        let slices = prop::collection::vec(0..5_usize, 0..4);
        (Just(shape), messages, urls(), slices)
    })
}
