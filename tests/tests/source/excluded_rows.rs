//! Which sources are searched for messages that the conditions of an export exclude, and what the search reads.

use exports_domain::{MessageFilter, MessageStatus};
use exports_source::Source;
use exports_tests::TestDatabase;

use crate::support::{PROJECT, filter, project};

const COLUMNS: &str = "attempt_count, created_at, delivered_at, next_attempt_at, response_status, response_latency_ms, \
                       total_delivery_ms, last_error";

async fn is_constrained(database: &TestDatabase, filter: &MessageFilter) -> bool {
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let constrained = session.are_rows_constrained(filter).await.unwrap();
    session.check_excluded_rows(filter).await.unwrap();
    session.finish().await.unwrap();
    constrained
}

fn filters() -> [MessageFilter; 2] {
    let status = Some(MessageStatus::Queued);
    [
        filter(),
        MessageFilter {
            status: status.into(),
            ..filter()
        },
    ]
}

#[tokio::test]
async fn constraints_prove_that_nothing_is_excluded() {
    for (change, proven) in [
        ("SELECT 1".to_owned(), true),
        (
            format!(
                "ALTER TABLE messages RENAME TO stored;
                 CREATE VIEW messages AS SELECT id, project_id, direction, endpoint_id, status, {COLUMNS} FROM stored"
            ),
            true,
        ),
        (
            format!(
                "ALTER TABLE messages RENAME TO stored;
                 CREATE VIEW messages AS SELECT id, project_id, 'outbound'::text AS direction, endpoint_id, status, {COLUMNS} FROM stored"
            ),
            true,
        ),
        (
            format!(
                "ALTER TABLE messages RENAME TO stored;
                 CREATE VIEW messages AS SELECT id, project_id, lower(direction) AS direction, endpoint_id, status, {COLUMNS} FROM stored"
            ),
            false,
        ),
        ("ALTER TABLE messages DROP CONSTRAINT messages_direction_check".to_owned(), false),
        ("ALTER TABLE messages ALTER direction DROP NOT NULL".to_owned(), false),
        ("ALTER TABLE messages ALTER created_at DROP NOT NULL".to_owned(), false),
        (
            "ALTER TABLE messages DROP CONSTRAINT messages_direction_check,
                 ADD CONSTRAINT later CHECK (direction IN ('outbound', 'inbound')) NOT VALID"
                .to_owned(),
            false,
        ),
        (
            "ALTER TABLE messages DROP CONSTRAINT messages_direction_check,
                 ADD CHECK (direction IN ('outbound', 'inbound', 'sideways'))"
                .to_owned(),
            false,
        ),
    ] {
        let database = TestDatabase::create().await;
        database.project(PROJECT).await;
        database.execute(change.clone()).await;
        for filter in filters() {
            let found = is_constrained(&database, &filter).await;
            assert_eq!(found, proven, "{change} {filter:?}");
        }
    }
    // The status matters only if the export filters by it.
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    let change = "ALTER TABLE messages DROP CONSTRAINT messages_status_check";
    database.execute(change).await;
    let [all, some] = filters();
    assert!(is_constrained(&database, &all).await);
    assert!(!is_constrained(&database, &some).await);
}

/// A session that was opened before a constraint was dropped still finds what it allows from then on.
#[tokio::test]
async fn a_constraint_that_is_dropped_later_proves_nothing() {
    let database = TestDatabase::create().await;
    database.project(PROJECT).await;
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    session.check_excluded_rows(&filter()).await.unwrap();
    let mut session = session.finish().await.unwrap();
    database
        .execute(format!(
            "ALTER TABLE messages DROP CONSTRAINT messages_direction_check;
             INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at)
             VALUES (gen_random_uuid(), '{PROJECT}', 'sideways', gen_random_uuid(), 'queued', 0, '2025-12-03')"
        ))
        .await;
    session.begin(&project()).await.unwrap();
    let error = session.check_excluded_rows(&filter()).await.unwrap_err();
    assert!(
        error.to_string().contains("direction is \"sideways\""),
        "{error}"
    );
    assert!(error.is_data() && !error.is_transient());
}
