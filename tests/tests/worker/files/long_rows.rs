//! Rows of many megabytes: the memory of the worker and correct output.

use exports_tests::StoreKind;

use crate::support::Fixture;

const MIB: u64 = 1 << 20;

/// The peak memory of a new worker that exports `count` messages whose `last_error` is the SQL expression `text`. In the file the text
/// must be `written`.
async fn peak(kind: StoreKind, count: u32, text: &str, written: &[u8]) -> u64 {
    let fixture = Fixture::without_services(kind).await;
    let start = "2025-12-03T12:00:00Z";
    exports_tests::Message::insert_many(
        fixture.database().pool(),
        fixture.project_id(),
        start,
        count,
    )
    .await;
    // No compression, which would take longer than the rest of the test.
    fixture
        .database()
        .execute("ALTER TABLE messages ALTER last_error SET STORAGE EXTERNAL")
        .await;
    fixture
        .database()
        .execute(format!("UPDATE messages SET last_error = {text}"))
        .await;
    let mut worker = fixture.start_worker(&[
        ("EXPORTS_READERS", "1"),
        ("EXPORTS_CONCURRENCY", "1"),
        // More parts in flight would be in the memory, too.
        ("EXPORTS_UPLOAD_MEMORY", "24MiB"),
    ]);
    worker.wait_for_event("worker started").await;
    let id = fixture.queue_full_export().await;
    fixture.wait_until_completed(id).await;
    let (_, peak) = worker.memory();
    let file = fixture.read_file(id).await;
    let end = [b",", written, b"\r\n"].concat();
    assert!(file.ends_with(&end), "the last field is the text");
    peak
}

/// The memory for one row is at most twice its size, also if its text needs quotes and escapes.
#[tokio::test]
async fn memory_for_a_row_is_at_most_twice_its_size() {
    const SIZE: u64 = 31 * MIB;
    for (kind, unit, written) in [
        (StoreKind::File, "x", "x"),
        (StoreKind::S3, "x", "x"),
        (StoreKind::File, "ab\"\"", "ab\"\"\"\""),
    ] {
        let texts = [MIB, SIZE].map(|size| {
            let times = size / unit.len() as u64;
            let mut text = written.repeat(times.try_into().unwrap());
            if written != unit {
                text = format!("\"{text}\"");
            }
            (format!("repeat('{unit}', {times})"), text)
        });
        let mut peaks = Vec::new();
        for (text, written) in &texts {
            peaks.push(peak(kind, 2, text, written.as_bytes()).await);
        }
        let grown = peaks[1] - peaks[0];
        eprintln!(
            "{kind:?} {unit:?}: {} MiB, {grown} bytes more than {peaks:?}",
            grown / MIB
        );
        assert!(
            grown <= 2 * SIZE,
            "{kind:?} {unit:?}: {} MiB for a row of {} MiB",
            grown / MIB,
            SIZE / MIB
        );
    }
}
