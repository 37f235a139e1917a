//! Consumers see only their own exports.

use std::time::Duration;

use chrono::TimeDelta;
use exports_database::{Created, Database, Deleted, Error, FileLookup, ListRequest};
use exports_domain::{
    Choice, Direction, EndpointId, Export, ExportId, ExportState, ExportStatus, MessageStatus,
    Progress, ProjectId, ValueSet,
};
use exports_tests::{ExportRow, TestDatabase};
use serde_json::json;
use uuid::Uuid;

use crate::support::{PROJECT, database, filter_of, new_export, object_state, project};

async fn other_project(database: &TestDatabase) -> ProjectId {
    database.project("proj_b").await
}

#[tokio::test]
async fn a_new_export_is_pending_and_keeps_the_requested_filter() {
    let database = database().await;
    let storage = database.storage();
    let mut new = new_export();
    // The first and the last valid microsecond.
    new.filter = filter_of("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z");
    new.filter.direction = Direction::Inbound;
    new.filter.status = Choice::One(MessageStatus::PendingRetry);
    new.filter.endpoint = Choice::One(EndpointId(Uuid::from_u128(7)));
    let before = database.now().await;
    let Created::New(export) = storage.create_export(&new).await.unwrap() else {
        panic!("the export is new")
    };
    assert_eq!(export.id, new.id);
    assert_eq!(
        (&export.project, &export.filter),
        (&new.project, &new.filter)
    );
    assert_eq!((export.attempt, &export.state), (0, &ExportState::Pending));
    assert!(before <= export.created_at && export.created_at <= database.now().await);
    let read = storage.get_export(&project(), new.id).await.unwrap();
    // Only a read knows the position in the queue.
    let progress = Some(Progress::Queued { position: 1 });
    assert_eq!(read, Some(Export { progress, ..export }));
}

#[tokio::test]
async fn lists_of_the_filter_are_kept_and_differ_from_single_values() {
    let database = database().await;
    let storage = database.storage();
    let mut new = new_export();
    new.idempotency_key = Some("key".to_owned());
    let statuses = vec![MessageStatus::FailedPermanent, MessageStatus::Queued];
    let endpoints = (1..=50).map(|id| EndpointId(Uuid::from_u128(id)));
    new.filter.status = Choice::OneOf(ValueSet::new(statuses).unwrap());
    new.filter.endpoint = Choice::OneOf(ValueSet::new(endpoints.rev().collect()).unwrap());
    storage.create_export(&new).await.unwrap();
    let read = storage.get_export(&project(), new.id).await.unwrap();
    assert_eq!(read.unwrap().filter, new.filter);
    let request = ListRequest {
        limit: 1,
        after: None,
        status: Some(ExportStatus::Pending),
    };
    let page = storage.list_exports(&project(), request).await.unwrap();
    assert_eq!(page.exports[0].filter, new.filter);

    let mut again = new_export();
    again.idempotency_key = new.idempotency_key.clone();
    again.filter = new.filter.clone();
    let replayed = storage.create_export(&again).await.unwrap();
    assert!(matches!(replayed, Created::Replayed(export) if export.id == new.id));
    again.filter.status = Choice::One(MessageStatus::Queued);
    assert_eq!(
        storage.create_export(&again).await.unwrap(),
        Created::Mismatch
    );
}

#[tokio::test]
async fn an_export_for_a_missing_project_is_rejected() {
    let database = database().await;
    let mut new = new_export();
    new.project = "proj_nobody".parse().unwrap();
    let error = database.storage().create_export(&new).await.unwrap_err();
    assert!(matches!(error, Error::ProjectDeleted), "{error:?}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn exports_of_other_projects_are_reported_as_missing() {
    let database = database().await;
    let storage = database.storage();
    let other = other_project(&database).await;
    for &status in ExportStatus::ALL {
        let row = ExportRow::of(PROJECT, status);
        let theirs = ExportId(row.insert(database.pool()).await);
        for id in [theirs, ExportId(Uuid::nil())] {
            assert_eq!(storage.get_export(&other, id).await.unwrap(), None);
            let file = storage.find_file(Some(&other), id).await.unwrap();
            assert_eq!(file, FileLookup::Missing);
            let deleted = storage.delete_export(&other, id).await.unwrap();
            assert_eq!(deleted, Deleted::Missing);
        }
        assert!(
            storage
                .get_export(&project(), theirs)
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test]
async fn a_file_is_ready_only_for_a_completed_export() {
    let database = database().await;
    let storage = database.storage();
    for &status in ExportStatus::ALL {
        let row = ExportRow::of(PROJECT, status);
        let id = ExportId(row.insert(database.pool()).await);
        // With the project, as in API requests, and without it, as in signed links.
        for owner in [Some(&project()), None] {
            let found = storage.find_file(owner, id).await.unwrap();
            match (status, found) {
                (
                    ExportStatus::Completed,
                    FileLookup::Ready {
                        object_key,
                        remaining,
                        export,
                    },
                ) => {
                    assert_eq!(object_key, row.object_key());
                    assert_eq!(export.id, id);
                    let week = Duration::from_hours(7 * 24);
                    assert!(remaining <= week && remaining + Duration::from_mins(1) > week);
                }
                (ExportStatus::Expired, FileLookup::Expired) => {}
                (
                    ExportStatus::Pending | ExportStatus::Processing | ExportStatus::Failed,
                    FileLookup::NotReady(seen),
                ) => assert_eq!(seen, status),
                (_, found) => panic!("{status}: {found:?}"),
            }
        }
    }
    let missing = storage
        .find_file(None, ExportId(Uuid::nil()))
        .await
        .unwrap();
    assert_eq!(missing, FileLookup::Missing);
}

async fn listed(storage: &Database, status: ExportStatus) -> Vec<ExportId> {
    let request = ListRequest {
        limit: 10,
        after: None,
        status: Some(status),
    };
    let page = storage.list_exports(&project(), request).await.unwrap();
    page.exports.iter().map(|export| export.id).collect()
}

#[tokio::test]
async fn a_completed_export_reads_as_expired_after_its_expiry_before_a_sweep() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, ExportStatus::Completed)
        .with_ago("expires_at", TimeDelta::milliseconds(1));
    let id = ExportId(row.insert(database.pool()).await);
    let living = ExportRow::of(PROJECT, ExportStatus::Completed);
    let living = ExportId(living.insert(database.pool()).await);

    let export = storage.get_export(&project(), id).await.unwrap().unwrap();
    assert_eq!(export.state.status(), ExportStatus::Expired);
    let found = storage.find_file(Some(&project()), id).await.unwrap();
    assert_eq!(found, FileLookup::Expired);
    assert_eq!(listed(&storage, ExportStatus::Expired).await, [id]);
    assert_eq!(listed(&storage, ExportStatus::Completed).await, [living]);
    assert_eq!(database.export_column(id.0, "status").await, "completed");
}

#[tokio::test]
async fn only_exports_in_a_terminal_state_can_be_deleted() {
    let database = database().await;
    let storage = database.storage();
    for &status in ExportStatus::ALL {
        let row = ExportRow::of(PROJECT, status);
        let id = row.insert(database.pool()).await;
        let deleted = storage
            .delete_export(&project(), ExportId(id))
            .await
            .unwrap();
        let left = database.export_row(id).await;
        if status.is_terminal() {
            let object_keys = Vec::new();
            assert_eq!(deleted, Deleted::Gone { object_keys }, "{status}");
            assert_eq!(left, None);
            let again = storage
                .delete_export(&project(), ExportId(id))
                .await
                .unwrap();
            assert_eq!(again, Deleted::Missing);
        } else {
            assert_eq!(deleted, Deleted::Active, "{status}");
            assert!(left.is_some());
        }
    }
}

#[tokio::test]
async fn deleting_an_export_marks_its_object_for_deletion() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, ExportStatus::Completed);
    let id = row.insert_with_object(database.pool(), "kept").await;
    // An object of an earlier attempt, already marked for deletion.
    database
        .execute(format!(
            "INSERT INTO export_objects (key, export_id, state, sweep_at)
             VALUES ('lost', '{id}', 'doomed', clock_timestamp() + interval '1 hour')"
        ))
        .await;
    let deleted = storage
        .delete_export(&project(), ExportId(id))
        .await
        .unwrap();
    let object_keys = vec![row.object_key()];
    assert_eq!(deleted, Deleted::Gone { object_keys });
    assert_eq!(object_state(&database, &row.object_key()).await, "doomed");

    // The caller has half a minute to delete the object; then a janitor deletes it, once.
    assert!(storage.take_pending_deletions(10).await.unwrap().is_empty());
    let sql = "SELECT json_object_agg(sweeps_left, sweep_at > clock_timestamp() + interval '25 seconds') FROM export_objects";
    assert_eq!(database.value(sql).await, json!({"1": true, "2": true}));
    storage
        .object_deleted(&row.object_key(), Duration::ZERO)
        .await
        .unwrap();
    assert!(object_state(&database, &row.object_key()).await.is_null());
}

#[tokio::test]
async fn one_of_two_concurrent_deletes_succeeds() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, ExportStatus::Completed);
    let id = ExportId(row.insert_with_object(database.pool(), "kept").await);
    let project = project();
    let (one, other) = tokio::join!(
        storage.delete_export(&project, id),
        storage.delete_export(&project, id)
    );
    let answers = [one.unwrap(), other.unwrap()];
    let gone = |answer: &&Deleted| matches!(answer, Deleted::Gone { object_keys } if object_keys.len() == 1);
    assert_eq!(answers.iter().filter(gone).count(), 1, "{answers:?}");
    assert!(answers.contains(&Deleted::Missing), "{answers:?}");
}
