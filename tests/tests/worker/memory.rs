//! The memory of a worker is bounded by bytes: long URLs, long rows, and rows that are too long.

use exports_database::{Created, NewExport};
use exports_domain::ExportId;
use exports_domain::{Direction, FailureCode};
use exports_tests::{StoreKind, TIMEOUT, eventually};

use crate::support::{Fixture, PROJECT, Worker, everything};

const MIB: u64 = 1 << 20;

/// A worker with as many readers as the default on a large machine.
async fn start_worker(fixture: &Fixture) -> Worker {
    let mut worker =
        fixture.start_worker(&[("EXPORTS_READERS", "4"), ("EXPORTS_CONCURRENCY", "2")]);
    worker.wait_for_event("worker started").await;
    worker
}

/// Inserts endpoints with URLs of `length` bytes, which the server generates.
async fn insert_endpoints(fixture: &Fixture, count: u32, length: u32) {
    fixture
        .database()
        .execute(format!(
            "INSERT INTO endpoints (id, project_id, direction, url, created_at)
             SELECT md5(n::text)::uuid, '{PROJECT}', 'outbound', repeat(lpad(n::text, 10, '0'), {length} / 10), now()
             FROM generate_series(1, {count}) n"
        ))
        .await;
}

/// Inserts messages to these endpoints in turn; `last_error` is an SQL expression of their number `n`.
async fn insert_messages(
    fixture: &Fixture,
    project: &str,
    count: u32,
    endpoints: u32,
    last_error: &str,
) {
    fixture.database().project(project).await;
    fixture
        .database()
        .execute(format!(
            "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at, last_error)
             SELECT gen_random_uuid(), '{project}', 'outbound', md5((1 + n % {endpoints})::text)::uuid, 'succeeded', n,
                    timestamptz '2025-12-01' + n * interval '1 second', {last_error}
             FROM generate_series(1, {count}) n"
        ))
        .await;
}

fn assert_peak(worker: &Worker, most: u64) {
    let (_, peak) = worker.memory();
    eprintln!("peak: {} MiB", peak / MIB);
    assert!(peak <= most * MIB, "peak of {} MiB", peak / MIB);
}

/// Exports all messages and checks each record's URL.
async fn check_urls(fixture: &Fixture, messages: u32, endpoints: u32, length: usize) {
    let file = fixture.read_file(fixture.queue_full_export().await).await;
    let mut reader = csv::Reader::from_reader(&file[..]);
    let mut count = 0;
    for record in reader.records() {
        let record = record.expect("a CSV record");
        let number: u32 = record[4].parse().expect("a number");
        let unit = format!("{:010}", 1 + number % endpoints);
        assert!(
            record[2] == unit.repeat(length / 10),
            "the URL of message {number}"
        );
        count += 1;
    }
    assert_eq!(count, messages);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_endpoints_with_urls_of_200_kb_fit_into_memory() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    insert_endpoints(&fixture, 2_000, 200_000).await;
    let worker = start_worker(&fixture).await;
    check_urls(&fixture, 0, 2_000, 200_000).await;
    assert_peak(&worker, 64);
    insert_messages(&fixture, PROJECT, 200, 2_000, "NULL").await;
    check_urls(&fixture, 200, 2_000, 200_000).await;
    assert_peak(&worker, 128);
}

/// The URLs fit into memory, but not the rows of one chunk with them.
#[tokio::test(flavor = "multi_thread")]
async fn many_messages_to_an_endpoint_with_a_long_url_fit_into_memory() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    insert_endpoints(&fixture, 3, 1_000_000).await;
    insert_messages(&fixture, PROJECT, 150, 3, "NULL").await;
    let worker = start_worker(&fixture).await;
    check_urls(&fixture, 150, 3, 1_000_000).await;
    assert_peak(&worker, 128);
}

async fn queue_export_of(fixture: &Fixture, project: &str) -> ExportId {
    let new = NewExport {
        id: ExportId::generate(),
        project: project.parse().expect("a project id"),
        filter: everything(Direction::Outbound),
        options: exports_domain::FileOptions::default(),
        label: None,
        retry_of: None,
        idempotency_key: None,
        traceparent: None,
        limits: exports_database::CreateLimits::default(),
    };
    let created = fixture.storage().create_export(&new).await;
    assert!(matches!(created, Ok(Created::New(_))), "{created:?}");
    new.id
}

/// Two exports at the same time, each with rows of `size` bytes among so many others that four readers read it.
async fn peak_with_long_rows(kind: StoreKind, size: u64, most: u64) {
    let fixture = Fixture::without_services(kind).await;
    let projects = [PROJECT, "proj_other"];
    let rows = u32::try_from(80 * MIB / size)
        .expect("a small number")
        .min(3_000 / 60);
    for project in projects {
        insert_messages(&fixture, project, 2_400.max(rows * 60), 1, "NULL").await;
    }
    fixture
        .database()
        .execute(format!(
            "UPDATE messages SET last_error = repeat('x', {size}) WHERE attempt_count % 60 = 0 AND attempt_count <= {}",
            rows * 60
        ))
        .await;
    fixture.database().execute("VACUUM ANALYZE messages").await;
    let worker = start_worker(&fixture).await;
    let mut ids = Vec::new();
    for project in projects {
        ids.push(queue_export_of(&fixture, project).await);
    }
    for id in ids {
        fixture.wait_for_column(id, "status", "completed").await;
        let bytes = fixture
            .database()
            .export_column(id.0, "file_size_bytes")
            .await;
        assert!(bytes.as_u64().expect("a number") > u64::from(rows) * size);
    }
    assert_peak(&worker, most);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_megabyte_fit_into_memory() {
    peak_with_long_rows(StoreKind::File, 1_000_000, 256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_16_megabytes_fit_into_memory() {
    peak_with_long_rows(StoreKind::S3, 16_000_000, 256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_above_the_limit_fails_the_export_at_once_and_names_the_message() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    insert_messages(
        &fixture,
        PROJECT,
        3_000,
        1,
        "CASE WHEN n = 2000 THEN repeat('x', 400000000) END",
    )
    .await;
    let worker = start_worker(&fixture).await;
    let id = fixture.queue_full_export().await;
    let failure = fixture.wait_until_failed(id).await;
    assert_eq!(failure.code, FailureCode::InvalidData);
    let message = fixture
        .database()
        .value("SELECT id FROM messages WHERE attempt_count = 2000")
        .await;
    let expected = format!(
        "Message {} has more than 32 MiB.",
        message.as_str().unwrap()
    );
    assert!(failure.message.starts_with(&expected), "{failure:?}");
    assert_eq!(fixture.database().export_column(id.0, "attempt").await, 1);
    assert_peak(&worker, 128);
    fixture.wait_for_empty_store().await;

    // The worker continues with other exports.
    fixture
        .database()
        .execute("DELETE FROM messages WHERE attempt_count = 2000")
        .await;
    let next = fixture.queue_full_export().await;
    eventually("the next export is completed", TIMEOUT, async || {
        (fixture.database().export_column(next.0, "status").await == "completed").then_some(())
    })
    .await;
}
