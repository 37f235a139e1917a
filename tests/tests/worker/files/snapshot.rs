//! A file is one snapshot of the database: concurrent changes are not visible.

use std::collections::HashMap;

use exports_domain::Direction;
use exports_tests::{TIMEOUT, eventually};
use sqlx::{Connection, Executor};

use crate::rows::{Row, file_of, put_large};
use crate::support::{Fixture, on_every_store};

/// An update of a row at the end, one that leaves and one that comes.
const CHANGES: &str = "
    UPDATE messages SET last_error = 'changed' WHERE id = (SELECT max(id::text)::uuid FROM messages);
    DELETE FROM messages WHERE id = (SELECT id FROM messages ORDER BY created_at DESC OFFSET 1 LIMIT 1);
    INSERT INTO messages SELECT gen_random_uuid(), project_id, direction, endpoint_id, status, attempt_count,
        created_at + interval '1 second' FROM messages;";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_export_has_to_wait_for_is_in_its_file_as_a_whole() {
    on_every_store(async |fixture| {
        let rows: Vec<_> = (0..5).map(Row::plain).collect();
        fixture
            .insert_messages(&rows.iter().map(Row::message).collect::<Vec<_>>())
            .await;
        let mut writer = fixture.database().connect().await;
        let mut changes = writer.begin().await.expect("a transaction");
        // To a snapshot from before, the table would be empty afterwards.
        changes
            .execute(
                "CREATE TEMP TABLE reloaded ON COMMIT DROP AS SELECT * FROM messages;
                 TRUNCATE messages; INSERT INTO messages SELECT * FROM reloaded",
            )
            .await
            .expect("a reload");
        let _worker = fixture.start_worker(&[]);
        let id = fixture.queue_full_export().await;

        waits_for_messages(fixture).await;
        sqlx::raw_sql(CHANGES)
            .execute(&mut *changes)
            .await
            .expect("changes");
        changes.commit().await.expect("the changes are committed");

        let file = fixture.read_file(id).await;
        assert_eq!(fixture.export(id).await.attempt, 1);
        assert_ne!(
            file,
            file_of(Direction::Outbound, &rows, &HashMap::new()),
            "the changes are in it"
        );
        let next = fixture.queue_full_export().await;
        assert_eq!(fixture.read_file(next).await, file, "all of them");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_rows_are_read_does_not_show() {
    on_every_store(async |fixture| {
        let (_worker, source) = fixture.worker_that_gets_stuck(&[]).await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;

        source.held().await;
        fixture.wait_for_first_part().await;
        fixture.database().execute(CHANGES).await;
        source.restore();

        assert!(fixture.read_file(id).await == expected);
    })
    .await;
}

/// Waits until the worker stands before the lock.
async fn waits_for_messages(fixture: &Fixture) {
    // Databases from one template have the same numbers for the same tables.
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("the worker waits for the messages", TIMEOUT, async || {
        (fixture.database().value(waiting).await == 1).then_some(())
    })
    .await;
    // Nothing of it is there yet, and its snapshot is older than what comes now.
    assert_eq!(fixture.store_listing(), [""; 0]);
}
