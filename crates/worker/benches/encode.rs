//! The cost of a row: decoding alone, decoding and encoding, and for comparison the writer of the `csv` crate
//! alone, on fields that are already strings.
//!
//! `cargo bench -p exports-worker --bench encode`. Every figure is for [`ROWS`] rows.

#[path = "../tests/copy/mod.rs"]
mod copy;

use std::hint::black_box;
use std::sync::Arc;

use copy::{Message, Urls, copy, record, written_by_the_csv_crate};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use exports_domain::Direction;
use exports_formats::csv::{CsvWriter, EndpointFields};
use exports_source::Decoder;
use exports_worker::Encoder;
use uuid::Uuid;

const ROWS: u16 = 1000;
const ENDPOINTS: u16 = 24;

/// A pseudo-random number: a step of splitmix64.
fn random(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A UUIDv7 of some time in 2025.
fn id(index: u64) -> Uuid {
    let millis = 1_764_547_200_000 + index * 20;
    Uuid::from_u64_pair(
        millis << 16 | 0x7000 | random(index) & 0xfff,
        1 << 63 | random(index + 7) >> 2,
    )
}

fn endpoint(index: u64) -> Uuid {
    id(1_000_000 * (1 + index % u64::from(ENDPOINTS)))
}

fn urls() -> Urls {
    (0..u64::from(ENDPOINTS))
        .map(|index| {
            let query = if index.is_multiple_of(4) {
                "?topics=orders,refunds"
            } else {
                ""
            };
            (
                endpoint(index),
                format!("https://hooks.customer{index}.example/webhooks{query}"),
            )
        })
        .collect()
}

/// Nine of ten messages are delivered; the tenth is retried.
fn message(index: u64) -> Message {
    let created_at = 818_208_000_000_000 + i64::try_from(index).expect("few") * 20_173;
    let latency = 12 + i32::try_from(random(index) % 500).expect("small");
    let mut message = Message {
        id: Some(id(index)),
        endpoint: Some(endpoint(random(index + 1))),
        status: Some("succeeded".to_owned()),
        attempt_count: Some(1),
        times: [
            Some(created_at),
            Some(created_at + i64::from(latency) * 1003),
            None,
        ],
        response: [Some(200), Some(latency), Some(latency)],
        ..Message::default()
    };
    if random(index + 2).is_multiple_of(10) {
        message.status = Some("pending_retry".to_owned());
        message.times[1] = None;
        message.times[2] = Some(created_at + 5_000_000);
        message.response[0] = Some(503);
        message.last_error = Some("Service Unavailable, retry after 30 seconds".to_owned());
    }
    message
}

fn rows(criterion: &mut Criterion) {
    let messages: Vec<_> = (0..u64::from(ROWS)).map(message).collect();
    let urls = urls();
    let bytes = copy(&messages);
    let records: Vec<_> = messages
        .iter()
        .map(|message| record(Direction::Outbound, Some(&urls), message))
        .collect();
    let endpoints = Arc::new(EndpointFields::known(Direction::Outbound, urls.clone()));
    let new_encoder = || Encoder::new(CsvWriter::new(Direction::Outbound, Arc::clone(&endpoints)));
    let mut file = Vec::new();

    let mut encoder = new_encoder();
    encoder
        .encode(&bytes, &mut file, &mut |_| {})
        .expect("rows");
    assert_eq!(file, written_by_the_csv_crate(&records));

    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut rest = black_box(bytes.as_slice());
            let mut decoder = Decoder::default();
            while let Some(row) = decoder.next_row(&mut rest).expect("rows") {
                black_box(&row);
            }
        });
    });
    group.bench_function("decode and encode", |bencher| {
        bencher.iter(|| {
            file.clear();
            let mut encoder = new_encoder();
            encoder
                .encode(black_box(&bytes), &mut file, &mut |_| {})
                .expect("rows");
            black_box(&file);
        });
    });
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(std::io::sink());
    group.bench_function("the csv crate's writer alone", |bencher| {
        bencher.iter(|| {
            for record in &records {
                writer.write_record(black_box(record)).expect("a sink");
            }
        });
    });
    group.finish();
}

criterion_group!(benches, rows);
criterion_main!(benches);
