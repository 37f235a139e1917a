//! The file of a large export does not depend on the number of connections that read it.

use crate::support::{Fixture, PROJECT, on_every_store};

/// Rows that are hard to cut into slices: evenly spread rows, gaps, many rows in one microsecond, equal times across slice boundaries,
/// and one row long after all others.
const SPREAD: &str = "
    INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at, last_error)
    SELECT md5(n::text)::uuid, 'PROJECT', 'outbound', md5('e')::uuid, 'succeeded', n % 7,
        timestamptz '2025-12-01T00:00:00Z' + CASE
            WHEN n <= 30000 THEN n / 3 * interval '1 millisecond'
            WHEN n <= 60000 THEN interval '1 day'
            WHEN n <= 90000 THEN interval '2 days' + n * interval '40 milliseconds'
            WHEN n <= 110000 THEN interval '3 days' + n * interval '1 microsecond'
            ELSE interval '5 days' END,
        CASE WHEN n % 1000 = 0 THEN repeat('long, ', 2000) END
    FROM generate_series(1, 110001) n";

/// Pooled connections that have read an export.
const KEPT: &str = "
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle' AND query LIKE 'SELECT % AS nonce'";

/// Terminates connections to the source that have read nothing yet.
const END_UNUSED: &str = "
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle' AND query LIKE '-- The definitions of the relations %'";

#[tokio::test(flavor = "multi_thread")]
async fn the_file_does_not_depend_on_the_number_of_readers() {
    on_every_store(async |fixture| {
        put_spread(fixture).await;
        let mut alone = fixture.start_worker(&[("EXPORTS_READERS", "1")]);
        let id = fixture.queue_full_export().await;
        let expected = fixture.read_file(id).await;
        assert_eq!(fixture.wait_until_completed(id).await.row_count, 110_001);
        alone.kill().await;

        let mut several = fixture.start_worker(&[("EXPORTS_READERS", "4")]);
        let id = fixture.queue_full_export().await;
        assert!(fixture.read_file(id).await == expected);
        assert_eq!(fixture.wait_until_completed(id).await.row_count, 110_001);
        // The connections are reusable: they serve the next export.
        let kept = fixture.database().rows(KEPT).await;
        assert!(!kept.is_empty());
        let again = fixture.queue_full_export().await;
        assert!(fixture.read_file(again).await == expected);
        let still_kept = fixture.database().rows(KEPT).await;
        assert!(kept.iter().all(|kept| still_kept.contains(kept)));
        several.terminate();
        assert_eq!(several.wait().await.code(), Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_cannot_connect_is_skipped() {
    on_every_store(async |fixture| {
        let (mut worker, source) = fixture
            .worker_behind_a_proxy(&[("EXPORTS_READERS", "3")])
            .await;
        fixture.insert_one_message().await;
        // Leaves one pooled connection, and terminates those that were opened in advance.
        let first = fixture.queue_full_export().await;
        fixture.read_file(first).await;
        fixture.database().execute(END_UNUSED).await;

        put_spread(fixture).await;
        source.refuse();
        let id = fixture.queue_full_export().await;
        fixture.read_file(id).await;
        assert_eq!(fixture.wait_until_completed(id).await.row_count, 110_002);
        assert_eq!(fixture.export(id).await.attempt, 1);
        worker
            .wait_for_line("a reader could not join the snapshot")
            .await;
    })
    .await;
}

async fn put_spread(fixture: &Fixture) {
    let rows = SPREAD.replace("PROJECT", PROJECT);
    fixture.database().execute(&rows).await;
    fixture.database().execute("ANALYZE messages").await;
}
