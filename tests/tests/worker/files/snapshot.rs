//! A file is one snapshot of the database: concurrent changes are not visible.

use std::collections::HashMap;

use exports_domain::Direction;
use exports_tests::{TIMEOUT, eventually};
use sqlx::{Connection, Executor};

use crate::rows::{Row, file_of, put_large};
use crate::support::{Fixture, on_every_store};

/// Updates the last row, deletes a row and inserts rows.
const CHANGES: &str = "
    UPDATE messages SET last_error = 'changed' WHERE id = (SELECT max(id::text)::uuid FROM messages);
    DELETE FROM messages WHERE id = (SELECT id FROM messages ORDER BY created_at DESC OFFSET 1 LIMIT 1);
    INSERT INTO messages SELECT gen_random_uuid(), project_id, direction, endpoint_id, status, attempt_count,
        created_at + interval '1 second' FROM messages;";

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_blocks_the_export_is_completely_in_its_file() {
    on_every_store(async |fixture| {
        let rows: Vec<_> = (0..5).map(Row::plain).collect();
        fixture
            .insert_messages(&rows.iter().map(Row::message).collect::<Vec<_>>())
            .await;
        let mut writer = fixture.database().connect().await;
        let mut changes = writer.begin().await.expect("a transaction");
        // For an older snapshot the table would be empty after this reload.
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
            "the changes are in the file"
        );
        let next = fixture.queue_full_export().await;
        assert_eq!(
            fixture.read_file(next).await,
            file,
            "all changes are in the file"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_during_the_read_are_not_in_the_file() {
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

/// Waits until the worker is blocked by the lock.
async fn waits_for_messages(fixture: &Fixture) {
    // Databases from one template have the same OIDs for the same tables, so the database is part of the condition.
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("the worker waits for the messages", TIMEOUT, async || {
        (fixture.database().value(waiting).await == 1).then_some(())
    })
    .await;
    // Nothing is stored yet. The worker started before the changes that follow.
    assert_eq!(fixture.store_listing(), [""; 0]);
}
