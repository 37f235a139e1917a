//! A file is one snapshot of the database: what happens while the export runs does not show.

use std::collections::HashMap;

use exports_domain::Direction;
use exports_tests::{TIMEOUT, eventually};
use sqlx::{Connection, Executor};

use crate::rows::{Row, file_of, put_large};
use crate::workshop::{Workshop, on_every_store};

/// An update of a row at the end, one that leaves and one that comes.
const CHANGES: &str = "
    UPDATE messages SET last_error = 'changed' WHERE id = (SELECT max(id::text)::uuid FROM messages);
    DELETE FROM messages WHERE id = (SELECT id FROM messages ORDER BY created_at DESC OFFSET 1 LIMIT 1);
    INSERT INTO messages SELECT gen_random_uuid(), project_id, direction, endpoint_id, status, attempt_count,
        created_at + interval '1 second' FROM messages;";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_export_has_to_wait_for_is_in_its_file_as_a_whole() {
    on_every_store(async |shop| {
        let rows: Vec<_> = (0..5).map(Row::plain).collect();
        shop.put(&rows.iter().map(Row::message).collect::<Vec<_>>())
            .await;
        let mut writer = shop.database.connect().await;
        let mut changes = writer.begin().await.expect("a transaction");
        // To a snapshot from before, the table would be empty afterwards.
        changes
            .execute(
                "CREATE TEMP TABLE reloaded ON COMMIT DROP AS SELECT * FROM messages;
                 TRUNCATE messages; INSERT INTO messages SELECT * FROM reloaded",
            )
            .await
            .expect("a reload");
        let _worker = shop.worker(&[]);
        let id = shop.ask_for_all().await;

        waits_for_messages(shop).await;
        sqlx::raw_sql(CHANGES)
            .execute(&mut *changes)
            .await
            .expect("changes");
        changes.commit().await.expect("the changes are committed");

        let file = shop.file(id).await;
        assert_eq!(shop.export(id).await.attempt, 1);
        assert_ne!(
            file,
            file_of(Direction::Outbound, &rows, &HashMap::new()),
            "the changes are in it"
        );
        let next = shop.ask_for_all().await;
        assert_eq!(shop.file(next).await, file, "all of them");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_rows_are_read_does_not_show() {
    on_every_store(async |shop| {
        let (_worker, source) = shop.worker_that_gets_stuck(&[]).await;
        let expected = put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;

        source.held().await;
        shop.first_part_is_stored().await;
        shop.database.execute(CHANGES).await;
        source.restore();

        assert!(shop.file(id).await == expected);
    })
    .await;
}

/// Waits until the worker stands before the lock.
async fn waits_for_messages(shop: &Workshop) {
    // Databases from one template have the same numbers for the same tables.
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("the worker waits for the messages", TIMEOUT, async || {
        (shop.database.value(waiting).await == 1).then_some(())
    })
    .await;
    // Nothing of it is there yet, and its snapshot is older than what comes now.
    assert_eq!(shop.listing(), [""; 0]);
}
