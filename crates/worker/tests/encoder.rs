//! Tests of the encoder. Any rows in any chunks must be written as the `csv` crate writes them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod copy;

use std::sync::Arc;

use copy::{Message, Urls, copy, record, written_by_the_csv_crate};
use exports_domain::Direction::{self, Inbound, Outbound};
use exports_domain::MessageStatus;
use exports_formats::csv::{CsvWriter, EndpointFields};
use exports_formats::{FileFrame, Format};
use exports_worker::{EncodeError, Encoder};
use proptest::prelude::*;
use uuid::Uuid;

const YEAR_1: i64 = -63_082_281_600_000_000;
const YEAR_10000: i64 = 252_455_616_000_000_000;

type CsvEncoder = Encoder<CsvWriter>;

fn encoder(direction: Direction, urls: Option<&Urls>) -> CsvEncoder {
    let endpoints = urls.map_or_else(EndpointFields::from_rows, |urls| {
        EndpointFields::known(direction, urls.clone())
    });
    Encoder::new(CsvWriter::new(direction, Arc::new(endpoints)))
}

fn expected(direction: Direction, urls: Option<&Urls>, messages: &[Message]) -> Vec<u8> {
    let records: Vec<_> = messages
        .iter()
        .map(|message| record(direction, urls, message))
        .collect();
    written_by_the_csv_crate(&records)
}

/// Encodes the bytes in chunks of these lengths, repeatedly.
fn encode(
    encoder: &mut CsvEncoder,
    mut bytes: &[u8],
    lengths: &[usize],
) -> Result<Vec<u8>, EncodeError> {
    let mut csv = Vec::new();
    for length in lengths.iter().cycle() {
        let (chunk, rest) = bytes.split_at((*length).min(bytes.len()));
        encoder.encode(chunk, &mut csv, &mut |_| {})?;
        bytes = rest;
        if bytes.is_empty() {
            break;
        }
    }
    Ok(csv)
}

/// The number of rows.
fn finish(encoder: CsvEncoder) -> Result<u64, EncodeError> {
    let mut rest = Vec::new();
    let (rows, ()) = encoder.finish(&mut rest, &mut |_| {})?;
    assert!(rest.is_empty());
    Ok(rows)
}

fn header(direction: Direction) -> String {
    let endpoints = Arc::new(EndpointFields::from_rows());
    let mut frame = CsvWriter::new(direction, endpoints).frame();
    let start = frame.start();
    assert!(frame.end().unwrap().is_empty());
    String::from_utf8(start).unwrap()
}

fn encoded(encoder: &mut CsvEncoder, messages: &[Message]) -> Result<Vec<u8>, EncodeError> {
    encode(encoder, &copy(messages), &[usize::MAX])
}

fn endpoint() -> impl Strategy<Value = Uuid> {
    (0..6_u128).prop_map(Uuid::from_u128)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[=+@,\"\r\n\t'a é-]{0,30}",
        Just("succeeded".to_owned()),
        // Text that is longer than the chunks.
        ".{2000,3000}",
    ]
}

fn int() -> impl Strategy<Value = Option<i32>> {
    prop::option::of(prop_oneof![any::<i32>(), 0..1200])
}

fn message() -> impl Strategy<Value = Message> {
    (
        any::<u128>().prop_map(Uuid::from_u128),
        prop::option::of(endpoint()),
        prop::sample::select(MessageStatus::NAMES),
        prop_oneof![any::<i32>(), 0..1200],
        (
            YEAR_1..YEAR_10000,
            prop::array::uniform2(prop::option::of(YEAR_1..YEAR_10000)),
        ),
        prop::array::uniform3(int()),
        prop::option::of(text()),
        prop::option::of(text()),
    )
        .prop_map(
            |(id, endpoint, status, attempt_count, times, response, last_error, url)| Message {
                id: Some(id),
                endpoint,
                status: Some(status.to_owned()),
                attempt_count: Some(attempt_count),
                times: [Some(times.0), times.1[0], times.1[1]],
                response,
                last_error,
                url,
            },
        )
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(vec![Outbound, Inbound])
}

/// Lengths of chunks. The last is not 0, so that the encoding ends.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    (prop::collection::vec(0..700_usize, 0..8), 1..700_usize).prop_map(|(mut lengths, last)| {
        lengths.push(last);
        lengths
    })
}

proptest! {
    #[test]
    fn any_rows_in_any_chunks_are_written_as_the_csv_crate_writes_them(
        direction in direction(),
        urls in prop::option::of(prop::collection::hash_map(endpoint(), text(), 0..4)),
        messages in prop::collection::vec(message(), 0..12),
        lengths in lengths(),
    ) {
        let mut encoder = encoder(direction, urls.as_ref());
        let csv = encode(&mut encoder, &copy(&messages), &lengths).unwrap();
        let expected = expected(direction, urls.as_ref(), &messages);
        prop_assert_eq!(String::from_utf8(csv), String::from_utf8(expected));
        prop_assert_eq!(encoder.rows(), messages.len() as u64);
        prop_assert_eq!(finish(encoder).unwrap(), messages.len() as u64);
    }
}

fn at(time: Option<i64>) -> Message {
    Message {
        times: [time, None, None],
        ..Message::default()
    }
}

#[test]
fn unset_values_are_empty_fields() {
    let csv = encoded(&mut encoder(Outbound, None), &[Message::default()]).unwrap();
    let plain = "00000000-0000-0000-0000-000000000000,,,queued,0,2000-01-01T00:00:00.000000Z,,,,,";
    assert_eq!(String::from_utf8(csv).unwrap(), format!("{plain}\r\n"));
    let known = Urls::default();
    let csv = encoded(&mut encoder(Inbound, Some(&known)), &[Message::default()]).unwrap();
    assert_eq!(String::from_utf8(csv).unwrap(), format!("{plain},\r\n"));
}

#[test]
fn the_header_has_the_documented_column_names() {
    assert_eq!(
        header(Outbound),
        "message_id,endpoint_id,endpoint,status,attempt_count,created_at,delivered_at,\
         next_attempt_at,response_status,response_latency_ms,last_error\r\n"
    );
    assert_eq!(
        header(Inbound),
        "message_id,inbound_endpoint_id,endpoint,status,attempt_count,received_at,delivered_at,\
         next_attempt_at,response_status,response_latency_ms,total_delivery_ms,last_error\r\n"
    );
}

#[test]
fn a_time_that_cannot_be_written_is_an_error_that_names_the_message() {
    for (times, column) in [
        ([Some(i64::MAX), None, None], "received_at"),
        ([Some(0), Some(YEAR_10000), None], "delivered_at"),
        ([Some(0), None, Some(YEAR_1 - 1)], "next_attempt_at"),
    ] {
        let message = Message {
            id: Some(Uuid::max()),
            times,
            ..Message::default()
        };
        let error = encoded(&mut encoder(Inbound, None), &[message]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "message ffffffff-ffff-ffff-ffff-ffffffffffff has a {column} that is infinite or \
                 outside the years 1 to 9999"
            )
        );
    }
}

#[test]
fn a_value_that_no_file_may_contain_is_an_error_that_names_message_column_and_value() {
    let nil = "message 00000000-0000-0000-0000-000000000000";
    let expected = "expected queued, delivering, succeeded, pending_retry or failed_permanent";
    let plain = Message::default;
    let status = |status: &str| Message {
        status: Some(status.to_owned()),
        ..plain()
    };
    for (message, text) in [
        (
            Message {
                id: None,
                ..plain()
            },
            "a message without id: message_id is NULL; expected a value".to_owned(),
        ),
        (
            Message {
                status: None,
                ..plain()
            },
            format!("{nil}: status is NULL; expected a value"),
        ),
        (
            Message {
                attempt_count: None,
                ..plain()
            },
            format!("{nil}: attempt_count is NULL; expected a value"),
        ),
        (
            at(None),
            format!("{nil}: received_at is NULL; expected a value"),
        ),
        (status(""), format!("{nil}: status is \"\"; {expected}")),
        (
            status("queued "),
            format!("{nil}: status is \"queued \"; {expected}"),
        ),
        (
            status("QUEUED"),
            format!("{nil}: status is \"QUEUED\"; {expected}"),
        ),
    ] {
        let error = encoded(&mut encoder(Inbound, None), &[plain(), message]).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_truncated_copy_is_an_error_at_every_position() {
    let bytes = copy(&[at(Some(1)), at(Some(2))]);
    for cut in 0..bytes.len() {
        let mut encoder = encoder(Outbound, None);
        encode(&mut encoder, &bytes[..cut], &[usize::MAX]).unwrap();
        assert!(
            matches!(finish(encoder), Err(EncodeError::UnexpectedEnd)),
            "truncated at {cut}"
        );
    }
}

#[test]
fn text_that_is_not_utf_8_is_an_error() {
    let message = Message {
        last_error: Some("wrong".to_owned()),
        ..Message::default()
    };
    let mut bytes = copy(&[message]);
    let at = bytes.windows(5).position(|five| five == b"wrong").unwrap();
    bytes[at] = 0xff;
    let error = encode(&mut encoder(Outbound, None), &bytes, &[usize::MAX]).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

const MIB: usize = 1 << 20;

/// A message whose last error has this size.
fn long(bytes: usize) -> Message {
    Message {
        id: Some(Uuid::from_u128(7)),
        last_error: Some("x".repeat(bytes)),
        ..Message::default()
    }
}

#[test]
fn a_row_above_the_limit_is_refused_by_its_first_bytes() {
    for (message, received) in [
        (long(32 * MIB), 200),
        (
            // Two fields that are within the limit each.
            Message {
                url: Some("u".repeat(20 * MIB)),
                ..long(20 * MIB)
            },
            20 * MIB + 200,
        ),
    ] {
        let bytes = copy(&[at(Some(1)), message]);
        let mut encoder = encoder(Outbound, None);
        let error = encode(&mut encoder, &bytes[..300 + received], &[MIB / 8]).unwrap_err();
        let EncodeError::RowTooLong { message, bytes } = &error else {
            panic!("{error}");
        };
        assert_eq!(*message, Uuid::from_u128(7).to_string());
        assert!((32 * MIB..41 * MIB).contains(bytes), "{error}");
    }
}

#[test]
fn a_row_at_the_limit_is_encoded() {
    let message = long(32 * MIB - 200);
    let bytes = copy(std::slice::from_ref(&message));
    let csv = encode(&mut encoder(Outbound, None), &bytes, &[MIB / 8]).unwrap();
    assert!(csv == expected(Outbound, None, &[message]));
}

/// A small row may become a large one, because its endpoint has a long URL.
#[test]
fn many_rows_with_a_long_url_are_flushed_piece_by_piece() {
    let endpoint = Uuid::from_u128(1);
    let urls = Urls::from([(endpoint, "u".repeat(MIB))]);
    let messages = vec![
        Message {
            endpoint: Some(endpoint),
            ..Message::default()
        };
        50
    ];
    let (mut csv, mut flushed) = (Vec::new(), Vec::new());
    let encoded = encoder(Outbound, Some(&urls)).encode(&copy(&messages), &mut csv, &mut |csv| {
        assert!(csv.len() <= MIB, "{} bytes buffered", csv.len());
        flushed.append(csv);
    });
    encoded.unwrap();
    flushed.append(&mut csv);
    assert!(flushed == expected(Outbound, Some(&urls), &messages));
}
