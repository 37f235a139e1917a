//! Concurrent lookups in one batch: each gets its own result and does not depend on the others.

use std::time::Duration;

use exports_database::{BatchLoader, Database, Error};
use exports_domain::{ExportId, ExportStatus};
use exports_postgres::PoolPurpose;
use exports_tests::{ExportRow, TIMEOUT, TestDatabase, eventually};
use futures_util::future::join_all;
use serde_json::json;
use sqlx::Connection;
use uuid::Uuid;

use crate::support::{PROJECT, database, project};

async fn insert(database: &TestDatabase, project: &str) -> ExportId {
    let row = ExportRow::of(project, ExportStatus::Completed);
    ExportId(row.insert(database.pool()).await)
}

/// The number of statements that wait for the table lock.
async fn blocked_statements(database: &TestDatabase) -> serde_json::Value {
    let waiting = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    database.value(waiting).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_concurrent_lookup_gets_its_own_result() {
    let database = database().await;
    let other = database.project("proj_b").await;
    let lookups = BatchLoader::new(database.storage());
    let mut expected = Vec::new();
    for _ in 0..50 {
        expected.push((project(), insert(&database, PROJECT).await, true));
        expected.push((other.clone(), insert(&database, "proj_b").await, true));
        expected.push((project(), insert(&database, "proj_b").await, false));
        expected.push((project(), ExportId(Uuid::new_v4()), false));
    }
    // More ids than fit into one statement, and every id three times.
    let all = expected.iter().cycle().take(3 * expected.len());
    let found = all.map(async |(project, id, is_there)| {
        let export = lookups.get(project, *id).await.unwrap();
        assert_eq!(export.is_some(), *is_there);
        if let Some(export) = export {
            assert_eq!((&export.id, &export.project), (id, project));
        }
    });
    join_all(found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_during_a_blocked_lookup_share_a_batch_and_run_beside_it() {
    let database = database().await;
    let id = insert(&database, PROJECT).await;
    let lookups = BatchLoader::new(database.storage());
    let project = project();
    let mut connection = database.connect().await;
    let mut lock = connection.begin().await.unwrap();
    sqlx::query("LOCK TABLE exports")
        .execute(&mut *lock)
        .await
        .unwrap();

    let ask = || {
        let (lookups, project) = (lookups.clone(), project.clone());
        tokio::spawn(async move { lookups.get(&project, id).await })
    };
    let first = ask();
    eventually("the first lookup is blocked", TIMEOUT, async || {
        (blocked_statements(&database).await == json!(1)).then_some(())
    })
    .await;
    // An aborted lookup does not abort the others, whether it is the first one or a later one.
    first.abort();
    let others: Vec<_> = (0..100).map(|_| ask()).collect();
    others[0].abort();
    eventually(
        "the other lookups are blocked as well",
        TIMEOUT,
        async || (blocked_statements(&database).await != json!(1)).then_some(()),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let statements = blocked_statements(&database).await;
    assert!(
        [json!(2), json!(3)].contains(&statements),
        "{statements} statements for 100 lookups"
    );

    lock.commit().await.unwrap();
    for other in others.into_iter().skip(1) {
        let export = other.await.unwrap().unwrap();
        assert_eq!(export.map(|export| export.id), Some(id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_row_does_not_affect_other_lookups_in_its_batch() {
    let database = database().await;
    let (good, bad) = (
        insert(&database, PROJECT).await,
        insert(&database, PROJECT).await,
    );
    database
        .execute(format!(
            "ALTER TABLE exports DROP CONSTRAINT exports_filter_status_check;
             UPDATE exports SET filter_status = 'someday' WHERE id = '{bad}'"
        ))
        .await;
    let lookups = BatchLoader::new(database.storage());
    let other = database.project("proj_b").await;
    assert_eq!(lookups.get(&other, bad).await.unwrap(), None);
    let project = project();
    let asked = [good, bad, good, bad].map(|id| lookups.get(&project, id));
    for (index, result) in join_all(asked).await.into_iter().enumerate() {
        match result {
            Ok(export) => assert_eq!((index % 2, export.unwrap().id), (0, good)),
            Err(error) => {
                assert_eq!(index % 2, 1);
                assert!(matches!(*error, Error::Corrupt { .. }), "{error:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_failure_fails_all_lookups_and_later_lookups_recover() {
    let database = database().await;
    let id = insert(&database, PROJECT).await;
    let away = Database::new("postgres://127.0.0.1:1/none", PoolPurpose::Api).unwrap();
    let (lookups, project) = (BatchLoader::new(away), project());
    let asked = (0..20).map(|_| lookups.get(&project, id));
    for result in join_all(asked).await {
        assert!(result.unwrap_err().is_transient());
    }

    let lookups = BatchLoader::new(database.storage());
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%filter_endpoint_id%'";
    assert!(lookups.get(&project, id).await.unwrap().is_some());
    database.execute(end_all).await;
    eventually("the export is found again", TIMEOUT, async || {
        lookups.get(&project, id).await.ok().flatten()
    })
    .await;
}
