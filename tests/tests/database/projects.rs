//! Suspending, resuming and deleting a project.

use std::time::Duration;

use exports_database::{DeletedExports, Held, Leased, Overridden, Progress, ProjectBefore};
use exports_domain::ExportStatus::{Completed, Expired, Failed};
use exports_domain::{ExportId, ProjectId};
use exports_tests::{ExportRow, TestDatabase, eventually};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::support::{
    LEASE, PROJECT, claim, database, failure, new_export, object_state, project, queue, worker,
};

async fn suspend(database: &TestDatabase) -> Held {
    let storage = database.storage();
    let known = storage.suspend_project(&project()).await.unwrap();
    assert!(known.is_some(), "the project exists");
    let mut total = Held::default();
    loop {
        // Small batches, so that several are needed.
        let held = storage.hold_exports(&project(), 2).await.unwrap();
        if held == Held::default() {
            return total;
        }
        total.pending += held.pending;
        total.processing += held.processing;
    }
}

async fn resume(database: &TestDatabase) -> u64 {
    let storage = database.storage();
    storage.resume_project(&project()).await.unwrap().unwrap();
    let mut total = 0;
    loop {
        match storage.resume_exports(&project(), 2).await.unwrap() {
            0 => return total,
            resumed => total += resumed,
        }
    }
}

async fn queue_of(database: &TestDatabase) -> Vec<Value> {
    database
        .rows("SELECT id, status, attempt, due_at, resume_due_at FROM exports ORDER BY id")
        .await
}

#[tokio::test]
async fn no_export_of_a_suspended_project_is_claimed_until_it_is_resumed() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 5).await;
    queue(&database, "proj_b", 1).await;
    let before = queue_of(&database).await;
    let held = suspend(&database).await;
    assert_eq!(
        held,
        Held {
            pending: 5,
            processing: 0
        }
    );

    let other = claim(&storage).await.unwrap();
    assert_eq!(other.project.as_str(), "proj_b");
    assert!(claim(&storage).await.is_none());
    let depth = storage.queue_depth().await.unwrap();
    assert_eq!((depth.pending.exports, depth.retrying.exports), (0, 0));

    assert_eq!(resume(&database).await, 5);
    let after = queue_of(&database).await;
    let due = |rows: &[Value]| -> Vec<_> {
        let rows = rows
            .iter()
            .filter(|row| row["id"] != json!(other.lease.export.0));
        rows.map(|row| row["due_at"].clone()).collect()
    };
    assert_eq!(due(&after), due(&before), "due as before");
    for _ in 0..5 {
        assert_eq!(claim(&storage).await.unwrap().project, project());
    }
}

#[tokio::test]
async fn a_running_export_is_released_without_its_attempt_and_its_worker_loses_the_lease() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 2).await;
    let first = claim(&storage).await.unwrap();
    let lost = claim(&storage).await.unwrap();
    let expired = format!(
        "UPDATE exports SET lease_expires_at = clock_timestamp() WHERE id = '{}'",
        lost.lease.export
    );
    database.execute(expired).await;
    let held = suspend(&database).await;
    assert_eq!(
        held,
        Held {
            pending: 0,
            processing: 2
        }
    );

    let beat = storage.heartbeat(first.lease, LEASE, Progress::default());
    assert_eq!(beat.await.unwrap(), Leased::Lost);
    let file = crate::support::finished_file();
    let completed = storage
        .complete(first.lease, &first.object_key, &file)
        .await;
    assert_eq!(completed.unwrap(), Leased::Lost);
    assert_eq!(object_state(&database, &first.object_key).await, "doomed");
    assert!(
        claim(&storage).await.is_none(),
        "nor is the expired lease taken over"
    );
    for row in queue_of(&database).await {
        assert_eq!(
            (&row["status"], &row["attempt"]),
            (&json!("pending"), &json!(0))
        );
    }

    resume(&database).await;
    let again = claim(&storage).await.unwrap();
    assert_eq!((again.attempt, again.taken_over), (1, false));
}

#[tokio::test]
async fn an_export_that_enters_the_queue_of_a_suspended_project_is_held() {
    let database = database().await;
    let storage = database.storage();
    suspend(&database).await;
    let new = new_export();
    storage.create_export(&new).await.unwrap();
    assert!(claim(&storage).await.is_none());
    let requeued = storage.force_requeue(new.id).await.unwrap();
    assert_eq!(requeued, Overridden::Done { holder: None });
    assert!(
        claim(&storage).await.is_none(),
        "an override does not pass it by"
    );
    let other = new_export();
    storage.create_export(&other).await.unwrap();
    let failed = storage.force_fail(other.id, &failure()).await.unwrap();
    assert_eq!(failed, Overridden::Done { holder: None });
    assert_eq!(resume(&database).await, 1);
    assert_eq!(claim(&storage).await.unwrap().lease.export, new.id);
}

/// The create has not committed when the suspension begins: one of them waits for the other.
#[tokio::test]
async fn a_create_that_races_with_a_suspension_is_held() {
    let database = database().await;
    let mut creating = database.connect().await;
    let mut transaction = creating.begin().await.unwrap();
    let insert = format!(
        "INSERT INTO exports (id, project_id, created_at, due_at, status, direction, filter_start_time, filter_end_time)
         VALUES (gen_random_uuid(), '{PROJECT}', now(), now(), 'pending', 'outbound', '2025-12-01', '2025-12-02')"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let (held, ()) = tokio::join!(suspend(&database), async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database IS NULL";
        eventually(
            "the suspension waits",
            Duration::from_secs(10),
            async || (database.value(waits).await != 0).then_some(()),
        )
        .await;
        transaction.commit().await.unwrap();
    });
    assert_eq!(
        held,
        Held {
            pending: 1,
            processing: 0
        }
    );
    assert!(claim(&database.storage()).await.is_none());
}

#[tokio::test]
async fn suspending_and_resuming_can_be_repeated() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let unknown: ProjectId = "proj_nobody".parse().unwrap();
    assert_eq!(storage.suspend_project(&unknown).await.unwrap(), None);
    assert_eq!(storage.resume_project(&unknown).await.unwrap(), None);
    let active = ProjectBefore { suspended_at: None };
    let first = storage.suspend_project(&project()).await.unwrap();
    assert_eq!(first, Some(active));
    let second = storage.suspend_project(&project()).await.unwrap();
    assert_ne!(second, Some(active), "it was suspended already");
    assert_eq!(storage.suspend_project(&project()).await.unwrap(), second);
    assert_eq!(suspend(&database).await.pending, 1);
    assert_eq!(suspend(&database).await, Held::default());
    // As after an interruption between the two steps.
    storage.resume_project(&project()).await.unwrap();
    assert!(claim(&storage).await.is_none());
    assert_eq!(resume(&database).await, 1);
    assert_eq!(resume(&database).await, 0);
    assert_eq!(
        storage.hold_exports(&project(), 10).await.unwrap(),
        Held::default()
    );
}

#[tokio::test]
async fn a_deleted_project_leaves_only_objects_that_are_pending_deletion() {
    let database = database().await;
    let storage = database.storage();
    let other = database.project("proj_b").await;
    storage.create_key(&other, None).await.unwrap();
    let theirs = ExportRow::of("proj_b", Completed);
    theirs.insert_with_object(database.pool(), "kept").await;
    for _ in 0..3 {
        storage.create_key(&project(), None).await.unwrap();
    }
    let done = ExportRow::of(PROJECT, Completed);
    done.insert_with_object(database.pool(), "kept").await;
    for status in [Failed, Expired] {
        ExportRow::of(PROJECT, status).insert(database.pool()).await;
    }
    queue(&database, PROJECT, 2).await;
    let running = claim(&storage).await.unwrap();
    suspend(&database).await;
    assert!(
        !storage.delete_project(&project()).await.unwrap(),
        "it has keys and exports"
    );

    let mut total = DeletedExports::default();
    loop {
        let batch = storage.delete_exports_of(&project(), 2).await.unwrap();
        assert!(batch.records <= 2);
        if batch.records == 0 {
            break;
        }
        total.records += batch.records;
        total.objects += batch.objects;
    }
    // The object of the running export is marked since the suspension.
    assert_eq!(
        total,
        DeletedExports {
            records: 5,
            objects: 1
        }
    );
    assert_eq!(storage.delete_keys_of(&project(), 2).await.unwrap(), 2);
    assert_eq!(storage.delete_keys_of(&project(), 2).await.unwrap(), 1);
    assert!(storage.delete_project(&project()).await.unwrap());
    assert!(
        storage.delete_project(&project()).await.unwrap(),
        "safe to repeat"
    );

    let beat = storage.heartbeat(running.lease, LEASE, Progress::default());
    assert_eq!(beat.await.unwrap(), Leased::Lost);
    assert_eq!(
        storage.count_pending_deletions(&project()).await.unwrap(),
        2
    );
    let sweeps =
        "SELECT json_object_agg(key, sweeps_left) FROM export_objects WHERE state = 'doomed'";
    let sweeps = database.value(sweeps).await;
    assert_eq!(sweeps[done.object_key()], 1, "no worker writes it");
    assert_eq!(
        sweeps[&running.object_key], 2,
        "its worker may be in a request"
    );
    let left = "SELECT json_build_array((SELECT count(*) FROM exports), (SELECT count(*) FROM api_keys), (SELECT count(*) FROM projects))";
    assert_eq!(
        database.value(left).await,
        json!([1, 1, 1]),
        "the other project"
    );
    assert_eq!(object_state(&database, &theirs.object_key()).await, "kept");

    let late = storage.create_export(&new_export()).await.unwrap_err();
    assert!(
        matches!(late, exports_database::Error::ProjectDeleted),
        "{late:?}"
    );
}

#[tokio::test]
async fn the_file_of_a_suspended_project_is_not_found_for_a_download() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Completed);
    let id = ExportId(row.insert_with_object(database.pool(), "kept").await);
    suspend(&database).await;
    for project in [None, Some(&project())] {
        let found = storage.find_file(project, id).await.unwrap();
        assert_eq!(found, exports_database::FileLookup::Suspended);
    }
}

/// The previous release's schema, rows and statements.
#[tokio::test]
async fn the_previous_release_works_with_the_new_schema() {
    let database = TestDatabase::empty().await;
    for migration in [
        include_str!("../../../migrations/0001_projects_and_keys.sql"),
        include_str!("../../../migrations/0002_exports.sql"),
        include_str!("../../../migrations/0003_source.sql"),
        include_str!("../../../migrations/0004_operation.sql"),
        include_str!("../../../migrations/0005_queue_arrivals.sql"),
    ] {
        database.execute(migration).await;
    }
    let key = |secret: &str| {
        format!(
            "INSERT INTO api_keys (project_id, prefix, key_sha256) VALUES ('{PROJECT}', 'exk_', sha256('{secret}'))"
        )
    };
    let export = format!(
        "INSERT INTO exports (id, project_id, created_at, due_at, status, direction, filter_start_time, filter_end_time)
         VALUES (gen_random_uuid(), '{PROJECT}', now(), now(), 'pending', 'outbound', '2025-12-01', '2025-12-02')"
    );
    database.project(PROJECT).await;
    database.execute(key("before")).await;
    database.execute(export.clone()).await;
    for migration in [
        include_str!("../../../migrations/0006_access.sql"),
        include_str!("../../../migrations/0007_limits.sql"),
        include_str!("../../../migrations/0009_takeovers.sql"),
        include_str!("../../../migrations/0010_filter_lists.sql"),
        include_str!("../../../migrations/0011_live.sql"),
        include_str!("../../../migrations/0012_actions.sql"),
        include_str!("../../../migrations/0013_webhooks.sql"),
        include_str!("../../../migrations/0014_traces.sql"),
        include_str!("../../../migrations/0015_file_options.sql"),
    ] {
        database.execute(migration).await;
    }
    database.execute(key("after")).await;
    database.execute(export).await;

    let kinds = "SELECT DISTINCT scope, expires_at FROM api_keys";
    let kinds = database.rows(kinds).await;
    assert_eq!(kinds, [json!({"scope": "write", "expires_at": null})]);
    let storage = database.storage();
    for secret in ["before", "after"] {
        let found = storage.authenticate(secret).await.unwrap().unwrap();
        assert!(!found.suspended && found.remaining.is_none());
    }
    assert_eq!(suspend(&database).await.pending, 2);
    assert!(storage.claim(&worker("worker-1")).await.unwrap().is_empty());
}
