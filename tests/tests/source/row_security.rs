//! Row-level security: hidden rows are an error, unless the role is meant to see only some rows.

use exports_postgres::PoolPurpose;
use exports_source::Error;
use exports_source::RowSecurity;
use exports_source::Source;
use exports_tests::{Message, TestDatabase};

use crate::support::sessions::{known_urls, read};
use crate::support::{PROJECT, database, filter, project};

/// A database with 10 messages, and the name and URL of a role for which a policy hides 5 of them.
async fn half_hidden() -> (TestDatabase, String, String) {
    let database = database().await;
    Message::insert_many(database.pool(), PROJECT, "2025-12-01T00:00:00Z", 10).await;
    let (name, url) = database.role("restricted").await;
    database
        .execute(format!(
            "GRANT SELECT ON messages, endpoints TO \"{name}\";
             ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
             CREATE POLICY half ON messages TO \"{name}\" USING (created_at < '2025-12-01T00:00:05Z')"
        ))
        .await;
    (database, name, url)
}

async fn count(source: &Source) -> Result<usize, Error> {
    let mut session = source.open_session().await?;
    session.begin_reading(&project(), &filter()).await?;
    session.estimate(&filter(), 100).await?;
    let rows = read(&mut session, &filter(), &known_urls()).await;
    session.commit_if_unchanged().await?;
    Ok(rows.len())
}

#[tokio::test]
async fn hidden_rows_are_an_error_unless_row_security_is_applied() {
    let (database, name, url) = half_hidden().await;
    let source = Source::at(&url, &database.storage(), PoolPurpose::Command).unwrap();

    let error = count(&source).await.unwrap_err();
    assert_eq!(error.sql_state().as_deref(), Some("42501"), "{error:?}");
    let restricted = source.clone().with_row_security(RowSecurity::Apply);
    assert_eq!(count(&restricted).await.unwrap(), 5);
    // The same below a view that the role owns.
    database
        .execute(format!(
            "ALTER TABLE messages RENAME TO stored; CREATE VIEW messages AS SELECT * FROM stored;
             ALTER VIEW messages OWNER TO \"{name}\""
        ))
        .await;
    let error = count(&source).await.unwrap_err();
    assert_eq!(error.sql_state().as_deref(), Some("42501"), "{error:?}");

    database
        .execute(format!("ALTER ROLE \"{name}\" BYPASSRLS"))
        .await;
    assert_eq!(count(&source).await.unwrap(), 10);
}
