//! Migrations: created relations, existing relations, and the reported state of the schema.

use exports_database::MigrationState;
use exports_tests::TestDatabase;
use serde_json::{Value, json};

/// The relations of the schema with their kinds and columns.
async fn relations(database: &TestDatabase) -> Vec<Value> {
    database
        .rows(
            "SELECT c.relname, c.relkind, json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) ORDER BY attnum) AS columns
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'i') AND c.relname LIKE ANY ('{messages%,endpoints%}')
             GROUP BY c.oid ORDER BY c.relname",
        )
        .await
}

#[tokio::test]
async fn migrating_an_empty_database_makes_it_current() {
    let database = TestDatabase::empty().await;
    let storage = database.storage();
    let MigrationState::Behind { missing, known } = storage.migration_state().await.unwrap() else {
        panic!("the database is empty")
    };
    assert_eq!(missing, known);
    assert_eq!(storage.migrate().await.unwrap(), known);
    assert_eq!(
        storage.migration_state().await.unwrap(),
        MigrationState::Current
    );
    assert_eq!(storage.migrate().await.unwrap(), 0, "safe to repeat");
}

#[tokio::test]
async fn concurrent_migrations_all_succeed() {
    let database = TestDatabase::empty().await;
    let storage = database.storage();
    let migrations = (0..4).map(|_| storage.migrate());
    for migrated in futures_util::future::join_all(migrations).await {
        migrated.unwrap();
    }
    assert_eq!(
        storage.migration_state().await.unwrap(),
        MigrationState::Current
    );
}

#[tokio::test]
async fn missing_modified_and_failed_migrations_are_reported() {
    let database = TestDatabase::create().await;
    let storage = database.storage();
    let state = async || storage.migration_state().await.unwrap();
    assert_eq!(state().await, MigrationState::Current);

    let last: i64 = database
        .value("SELECT max(version) FROM _sqlx_migrations")
        .await
        .as_i64()
        .unwrap();
    let table = "CREATE TABLE kept AS SELECT * FROM _sqlx_migrations";
    database.execute(table).await;
    let restore = "DELETE FROM _sqlx_migrations; INSERT INTO _sqlx_migrations SELECT * FROM kept";

    database
        .execute(format!(
            "DELETE FROM _sqlx_migrations WHERE version = {last}"
        ))
        .await;
    assert!(matches!(
        state().await,
        MigrationState::Behind { missing: 1, .. }
    ));

    for broken in ["checksum = 'abc'", "success = false"] {
        database.execute(restore).await;
        let sql = format!("UPDATE _sqlx_migrations SET {broken} WHERE version = {last}");
        database.execute(sql).await;
        assert_eq!(
            state().await,
            MigrationState::Foreign { version: last },
            "{broken}"
        );
    }
}

#[tokio::test]
async fn a_database_with_later_migrations_is_current_and_stays_unchanged() {
    let database = TestDatabase::create().await;
    let storage = database.storage();
    database
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'a later one', true, 'abc', 1)",
        )
        .await;
    assert_eq!(
        storage.migration_state().await.unwrap(),
        MigrationState::Current
    );
    assert_eq!(storage.migrate().await.unwrap(), 0);
}

#[tokio::test]
async fn a_migration_runs_without_statement_timeout() {
    let database = TestDatabase::create().await;
    database
        .execute(
            "DROP TABLE messages;
             DELETE FROM _sqlx_migrations WHERE version = 3;
             CREATE TABLE seen (statement_timeout text);
             CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN INSERT INTO seen VALUES (current_setting('statement_timeout')); RETURN NEW; END$$;
             CREATE TRIGGER look BEFORE INSERT ON _sqlx_migrations FOR EACH ROW EXECUTE FUNCTION look()",
        )
        .await;
    assert_eq!(database.storage().migrate().await.unwrap(), 1);
    let seen = "SELECT statement_timeout FROM seen";
    assert_eq!(database.value(seen).await, "0");
}

#[tokio::test]
async fn existing_source_tables_are_not_changed() {
    let database = TestDatabase::empty().await;
    database
        .execute(
            "CREATE TABLE messages (id uuid, anything jsonb);
             CREATE TABLE endpoints (id uuid, anything text[]);
             CREATE INDEX messages_anything ON messages (anything);
             INSERT INTO messages VALUES (gen_random_uuid(), '{}')",
        )
        .await;
    let before = relations(&database).await;
    database.storage().migrate().await.unwrap();
    assert_eq!(relations(&database).await, before);
    assert_eq!(
        database.value("SELECT count(*) FROM messages").await,
        json!(1)
    );
}

#[tokio::test]
async fn existing_source_views_are_not_changed() {
    let database = TestDatabase::empty().await;
    database
        .execute("CREATE VIEW messages AS SELECT 1 AS id; CREATE VIEW endpoints AS SELECT 2 AS id")
        .await;
    let before = relations(&database).await;
    assert_eq!(before.len(), 2);
    database.storage().migrate().await.unwrap();
    assert_eq!(relations(&database).await, before);
}

#[tokio::test]
async fn only_the_missing_source_relation_is_created() {
    let database = TestDatabase::empty().await;
    database
        .execute("CREATE VIEW endpoints AS SELECT 2 AS id")
        .await;
    database.storage().migrate().await.unwrap();
    let kinds = "SELECT json_object_agg(relname, relkind) FROM pg_class WHERE relname IN ('messages', 'endpoints')";
    assert_eq!(
        database.value(kinds).await,
        json!({"messages": "r", "endpoints": "v"})
    );
}
