//! Cancels, alone and at the same moment as what a worker does with the export.

use std::time::Duration;

use exports_database::{Canceled, Database, Leased, Notifications, Progress};
use exports_domain::{ExportId, ExportState, ExportStatus, FailureCode};
use exports_tests::{ExportRow, TIMEOUT, TestDatabase};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{
    LEASE, PROJECT, claim, database, failure, finished_file, objects, project, queue,
};

const MESSAGE: &str = "The export was canceled.";
/// How often two operations are started at the same moment.
const ROUNDS: usize = 60;

async fn cancel(storage: &Database, id: Uuid) -> Canceled {
    let project = project();
    let canceled = storage.cancel_export(&project, ExportId(id), MESSAGE);
    canceled.await.unwrap()
}

async fn status(storage: &Database, id: Uuid) -> ExportStatus {
    let export = storage.get_export(&project(), ExportId(id)).await;
    export.unwrap().unwrap().state.status()
}

/// The states of the objects of an export.
async fn object_states(database: &TestDatabase, id: Uuid) -> Vec<String> {
    let rows = objects(database, id).await;
    rows.iter()
        .map(|row| row["state"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_pending_export_is_never_claimed_after_its_cancel() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let Canceled::Now(export) = cancel(&storage, id).await else {
        panic!("it was pending")
    };
    let ExportState::Failed {
        started_at,
        failure,
    } = &export.state
    else {
        panic!("{export:?}")
    };
    assert_eq!(*started_at, None, "it never ran");
    assert_eq!(failure.code, FailureCode::Canceled);
    assert_eq!(failure.message, MESSAGE);
    assert!(claim(&storage).await.is_none());
    assert_eq!(cancel(&storage, id).await, Canceled::Before(export));
}

#[tokio::test]
async fn a_cancel_takes_the_lease_of_a_running_attempt_and_dooms_its_object() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let claimed = claim(&storage).await.unwrap();
    assert!(!storage.is_canceled(ExportId(id)).await.unwrap());
    let canceled = cancel(&storage, id).await;
    assert!(matches!(canceled, Canceled::Now(_)), "{canceled:?}");
    assert!(storage.is_canceled(ExportId(id)).await.unwrap());
    assert_eq!(object_states(&database, id).await, ["doomed"]);

    let (lease, key) = (claimed.lease, &claimed.object_key);
    let beat = storage.heartbeat(lease, LEASE, Progress::default()).await;
    let recorded = storage.record_upload(lease, key, "upload").await;
    let failed = storage.fail(lease, &failure(), "why").await;
    let retried = storage.retry(lease, Duration::ZERO, "why").await;
    let released = storage.release(lease).await;
    for answer in [beat, recorded, failed, retried, released] {
        assert_eq!(answer.unwrap(), Leased::Lost);
    }
    let completed = storage.complete(lease, key, &finished_file()).await;
    assert_eq!(completed.unwrap(), Leased::Lost);
    let Canceled::Before(export) = cancel(&storage, id).await else {
        panic!("it is canceled already")
    };
    let started = matches!(
        export.state,
        ExportState::Failed {
            started_at: Some(_),
            ..
        }
    );
    assert!(started, "the start of the attempt is kept: {export:?}");
}

#[tokio::test]
async fn an_export_that_has_ended_otherwise_is_unchanged() {
    let database = database().await;
    let storage = database.storage();
    for status in [
        ExportStatus::Completed,
        ExportStatus::Failed,
        ExportStatus::Expired,
    ] {
        let id = ExportRow::of(PROJECT, status).insert(database.pool()).await;
        let before = database.export_row(id).await;
        assert_eq!(cancel(&storage, id).await, Canceled::Ended(status));
        assert_eq!(database.export_row(id).await, before);
    }
    let overdue = ExportRow::of(PROJECT, ExportStatus::Completed)
        .with_ago("expires_at", chrono::TimeDelta::seconds(1))
        .insert(database.pool())
        .await;
    let answer = cancel(&storage, overdue).await;
    assert_eq!(answer, Canceled::Ended(ExportStatus::Expired));

    database.project("proj_b").await;
    let other = ExportRow::of("proj_b", ExportStatus::Pending)
        .insert(database.pool())
        .await;
    assert_eq!(cancel(&storage, other).await, Canceled::Missing);
    assert_eq!(cancel(&storage, Uuid::now_v7()).await, Canceled::Missing);
}

#[tokio::test]
async fn the_worker_of_a_running_export_is_notified() {
    let database = database().await;
    let storage = database.storage();
    let mut listener = storage.listen().await.unwrap();
    let ids = queue(&database, PROJECT, 2).await;
    let claimed = claim(&storage).await.unwrap().lease.export;
    for id in ids {
        cancel(&storage, id).await;
    }
    let heard = timeout(TIMEOUT, listener.next()).await.unwrap().unwrap();
    let expected = Notifications {
        queued: false,
        webhooks: false,
        canceled: vec![claimed],
    };
    assert_eq!(heard, expected, "nobody works on the pending one");
}

#[tokio::test]
async fn a_cancel_and_a_completion_at_the_same_moment_have_one_winner() {
    let database = database().await;
    let storage = database.storage();
    let mut canceled_first = 0;
    for id in queue(&database, PROJECT, ROUNDS.try_into().unwrap()).await {
        let claimed = claim(&storage).await.unwrap();
        let (id_claimed, key) = (claimed.lease.export.0, &claimed.object_key);
        let file = finished_file();
        let (canceled, completed) = tokio::join!(
            cancel(&storage, id_claimed),
            storage.complete(claimed.lease, key, &file)
        );
        let states = object_states(&database, id_claimed).await;
        let now = status(&storage, id_claimed).await;
        match (canceled, completed.unwrap()) {
            (Canceled::Now(_), Leased::Lost) => {
                canceled_first += 1;
                assert_eq!(
                    (now, &states[..]),
                    (ExportStatus::Failed, &["doomed".into()][..])
                );
            }
            (Canceled::Ended(ExportStatus::Completed), Leased::Held(_)) => {
                assert_eq!(
                    (now, &states[..]),
                    (ExportStatus::Completed, &["kept".into()][..])
                );
            }
            both => panic!("{id}: {both:?}"),
        }
    }
    println!("{canceled_first} of {ROUNDS} were canceled");
}

/// The claim records an object that the statement of the cancel may not see.
#[tokio::test]
async fn a_cancel_at_the_moment_of_a_claim_leaves_no_object_behind() {
    let database = database().await;
    let storage = database.storage();
    let mut claimed_first = 0;
    for id in queue(&database, PROJECT, ROUNDS.try_into().unwrap()).await {
        // A claim takes longer than a cancel. The delay makes either of them come first.
        let late_cancel = async {
            tokio::time::sleep(Duration::from_micros(rand::random_range(0..40_000))).await;
            cancel(&storage, id).await
        };
        let (claimed, canceled) = tokio::join!(claim(&storage), late_cancel);
        assert!(matches!(canceled, Canceled::Now(_)), "{canceled:?}");
        assert_eq!(status(&storage, id).await, ExportStatus::Failed);
        let states = object_states(&database, id).await;
        // If the cancel comes first, the claim takes the next export, or none.
        if claimed.as_ref().is_some_and(|it| it.lease.export.0 == id) {
            claimed_first += 1;
            assert_eq!(states, ["doomed"]);
        } else {
            assert!(states.is_empty(), "{states:?}");
        }
        if let Some(next) = claimed.filter(|it| it.lease.export.0 != id) {
            let released = storage.release(next.lease).await.unwrap();
            assert_eq!(released, Leased::Held(()));
        }
        database.execute("DELETE FROM export_objects").await;
    }
    println!("{claimed_first} of {ROUNDS} were claimed first");
    assert!(claimed_first > 0, "the claim never came first");
}

/// The same, with the claim committed while the cancel waits for its row lock.
#[tokio::test]
async fn a_cancel_that_waited_for_a_claim_finds_its_object() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let mut connection = database.connect().await;
    sqlx::raw_sql(
        "BEGIN;
         UPDATE exports SET status = 'processing', attempt = 1, started_at = clock_timestamp(), lease_owner = 'w',
                            lease_token = gen_random_uuid(), lease_expires_at = clock_timestamp() + interval '1 hour';
         INSERT INTO export_objects (key, export_id, state) SELECT 'key', id, 'writing' FROM exports",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let canceling = tokio::spawn({
        let storage = storage.clone();
        async move { cancel(&storage, id).await }
    });
    exports_tests::eventually("the cancel waits", TIMEOUT, async || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        (database.value(waiting).await.as_u64() > Some(0)).then_some(())
    })
    .await;
    sqlx::raw_sql("COMMIT")
        .execute(&mut connection)
        .await
        .unwrap();
    let canceled = canceling.await.unwrap();
    assert!(matches!(canceled, Canceled::Now(_)), "{canceled:?}");
    assert_eq!(object_states(&database, id).await, ["doomed"]);
}
