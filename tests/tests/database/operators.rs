//! Operators' commands: list the queue, change one export.

use std::time::Duration;

use chrono::TimeDelta;
use exports_database::{Database, Job, JobsRequest, Leased, Overridden, Progress};
use exports_domain::ExportStatus::{Completed, Expired, Failed, Pending, Processing};
use exports_domain::{ExportId, ExportStatus};
use exports_tests::{ExportRow, TIMEOUT, eventually};

use crate::support::{LEASE, PROJECT, claim, database, failure, object_state, objects, queue};

async fn jobs(storage: &Database, statuses: &[ExportStatus], limit: u16) -> Vec<Job> {
    let request = JobsRequest {
        statuses,
        project: None,
        export: None,
        limit,
    };
    storage.jobs(request).await.unwrap()
}

#[tokio::test]
async fn jobs_report_owner_progress_lease_and_attempt_error() {
    let database = database().await;
    let storage = database.storage();
    let later = ExportRow::of(PROJECT, Pending)
        .with("attempt", 3)
        .with("attempt_error", "the store is away")
        .with_ago("due_at", TimeDelta::minutes(-5));
    let later = later.insert(database.pool()).await;
    ExportRow::of(PROJECT, Failed).insert(database.pool()).await;
    let queued = queue(&database, PROJECT, 2).await;
    let held = claim(&storage).await.unwrap();
    let progress = Progress {
        rows: 7,
        bytes: 900,
    };
    let beat = storage.heartbeat(held.lease, LEASE, progress).await;
    assert_eq!(beat.unwrap(), Leased::Held(()));

    let found = jobs(&storage, &[Pending, Processing], 10).await;
    let ids: Vec<_> = found.iter().map(|job| job.id.0).collect();
    assert_eq!(ids, [held.lease.export.0, queued[1], later]);
    let [at_work, due, waits] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(at_work.owner.as_deref(), Some("worker-1"));
    assert_eq!((at_work.rows, at_work.bytes), (Some(7), Some(900)));
    assert!(at_work.lease_left.unwrap() > LEASE / 2);
    assert!(at_work.started_ago.unwrap() < LEASE);
    assert_eq!((due.due_in, due.attempt), (Duration::ZERO, 0));
    assert!(due.age > Duration::from_mins(59));
    assert_eq!((due.rows, due.lease_left), (None, None));
    assert!(waits.due_in > Duration::from_mins(4));
    assert_eq!(waits.attempt_error.as_deref(), Some("the store is away"));
    assert_eq!(waits.failure, None);

    assert_eq!(jobs(&storage, &[Pending, Processing], 2).await.len(), 2);
    assert_eq!(jobs(&storage, &[Failed], 10).await.len(), 1);
    let other = "proj_b".parse().unwrap();
    let request = JobsRequest {
        statuses: ExportStatus::ALL,
        project: Some(&other),
        export: None,
        limit: 10,
    };
    assert!(storage.jobs(request).await.unwrap().is_empty());
    let request = JobsRequest {
        statuses: &[],
        project: None,
        export: Some(ExportId(later)),
        limit: 1,
    };
    let one = storage.jobs(request).await.unwrap();
    assert_eq!(one[0].id.0, later);
}

#[tokio::test]
async fn a_claim_resets_the_progress() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let first = claim(&storage).await.unwrap();
    let progress = Progress {
        rows: 7,
        bytes: 900,
    };
    let beat = storage.heartbeat(first.lease, LEASE, progress).await;
    assert_eq!(beat.unwrap(), Leased::Held(()));
    let retried = storage.retry(first.lease, Duration::ZERO, "why").await;
    assert_eq!(retried.unwrap(), Leased::Held(()));
    let pending = jobs(&storage, &[Pending], 1).await;
    assert_eq!(pending[0].rows, Some(7), "the progress of the last attempt");
    claim(&storage).await.unwrap();
    assert_eq!(jobs(&storage, &[Processing], 1).await[0].rows, None);
}

#[tokio::test]
async fn a_requeued_export_is_due_at_once_and_its_lease_is_lost() {
    let database = database().await;
    let storage = database.storage();
    let held = ExportRow::of(PROJECT, Processing).with("attempt", 7);
    let id = held.insert_with_object(database.pool(), "writing").await;
    let answer = storage.force_requeue(ExportId(id)).await.unwrap();
    let holder = Some("worker-1".to_owned());
    assert_eq!(answer, Overridden::Done { holder });

    let beat = storage.heartbeat(held.lease(), LEASE, Progress::default());
    assert_eq!(beat.await.unwrap(), Leased::Lost);
    assert_eq!(object_state(&database, &held.object_key()).await, "doomed");
    let claim = claim(&storage).await.expect("the export is due");
    assert_eq!((claim.lease.export.0, claim.attempt), (id, 1));
    let error = database.export_column(id, "attempt_error").await;
    assert_eq!(error, "an operator took it from worker-1");
}

#[tokio::test]
async fn requeueing_a_delayed_retry_makes_it_due_at_once() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Pending)
        .with("attempt", 3)
        .with("attempt_error", "the store is away")
        .with_ago("due_at", TimeDelta::minutes(-5));
    let id = row.insert(database.pool()).await;
    assert!(claim(&storage).await.is_none());
    let answer = storage.force_requeue(ExportId(id)).await.unwrap();
    assert_eq!(answer, Overridden::Done { holder: None });
    assert_eq!(claim(&storage).await.unwrap().attempt, 1);
    let error = database.export_column(id, "attempt_error").await;
    assert_eq!(error, "the store is away");
}

/// A claim that is committed while an override waits for its row lock. The statement of the override began before, so it
/// does not see the object that the claim has recorded.
#[tokio::test]
async fn an_override_that_waited_for_a_claim_finds_its_object() {
    for (fails, ended) in [(true, Failed), (false, Pending)] {
        for held_before in [false, true] {
            let database = database().await;
            let storage = database.storage();
            let id = if held_before {
                let row = ExportRow::of(PROJECT, Processing)
                    .with_ago("lease_expires_at", TimeDelta::seconds(1));
                row.insert_with_object(database.pool(), "writing").await
            } else {
                queue(&database, PROJECT, 1).await[0]
            };
            let mut claiming = database.connect().await;
            sqlx::raw_sql(
                "BEGIN;
                 UPDATE exports SET status = 'processing', attempt = attempt + 1, started_at = clock_timestamp(),
                                    lease_owner = 'w', lease_token = gen_random_uuid(),
                                    lease_expires_at = clock_timestamp() + interval '1 hour';
                 UPDATE export_objects SET state = 'doomed', sweep_at = clock_timestamp();
                 INSERT INTO export_objects (key, export_id, state) SELECT 'key', id, 'writing' FROM exports",
            )
            .execute(&mut claiming)
            .await
            .unwrap();
            let overriding = tokio::spawn(async move {
                if fails {
                    storage.force_fail(ExportId(id), &failure()).await
                } else {
                    storage.force_requeue(ExportId(id)).await
                }
            });
            eventually("the override waits", TIMEOUT, async || {
                let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
                (database.value(waiting).await.as_u64() > Some(0)).then_some(())
            })
            .await;
            sqlx::raw_sql("COMMIT")
                .execute(&mut claiming)
                .await
                .unwrap();
            let holder = Some("w".to_owned());
            let overridden = overriding.await.unwrap().unwrap();
            assert_eq!(overridden, Overridden::Done { holder });
            assert_eq!(database.export_column(id, "status").await, ended.as_str());
            assert_eq!(object_state(&database, "key").await, "doomed");
        }
    }
}

/// The same with the statement of a real claim.
#[tokio::test]
async fn an_override_at_the_moment_of_a_claim_leaves_no_object_behind() {
    const ROUNDS: i32 = 60;
    let database = database().await;
    let storage = database.storage();
    let mut claimed_first = 0;
    for (round, id) in queue(&database, PROJECT, ROUNDS)
        .await
        .into_iter()
        .enumerate()
    {
        // A claim takes longer than an override. The delay makes either of them come first.
        let late_override = async {
            tokio::time::sleep(Duration::from_micros(rand::random_range(0..40_000))).await;
            match round % 2 {
                0 => storage.force_fail(ExportId(id), &failure()).await.unwrap(),
                _ => storage.force_requeue(ExportId(id)).await.unwrap(),
            }
        };
        let (claimed, overridden) = tokio::join!(claim(&storage), late_override);
        assert!(
            matches!(overridden, Overridden::Done { .. }),
            "{overridden:?}"
        );
        let objects = objects(&database, id).await;
        let holder = Some("worker-1".to_owned());
        if overridden == (Overridden::Done { holder }) {
            claimed_first += 1;
            assert_eq!(objects.len(), 1);
            assert_eq!(objects[0]["state"], "doomed");
        }
        if let Some(held) = claimed {
            let _ = storage.release(held.lease).await.unwrap();
        }
        // Whatever the winner left, the next round begins with an export of its own.
        storage.force_fail(ExportId(id), &failure()).await.unwrap();
        database.execute("DELETE FROM export_objects").await;
    }
    println!("{claimed_first} of {ROUNDS} were claimed first");
    assert!(claimed_first > 0, "the claim never came first");
}

#[tokio::test]
async fn overrides_do_not_change_exports_in_a_terminal_state() {
    let database = database().await;
    let storage = database.storage();
    for status in [Completed, Failed, Expired] {
        let id = ExportRow::of(PROJECT, status).insert(database.pool()).await;
        let before = database.export_row(id).await;
        for answer in [
            storage.force_requeue(ExportId(id)).await.unwrap(),
            storage.force_fail(ExportId(id), &failure()).await.unwrap(),
        ] {
            assert_eq!(answer, Overridden::Ended(status));
        }
        assert_eq!(database.export_row(id).await, before);
    }
    let nobody = ExportId::generate();
    let answer = storage.force_requeue(nobody).await.unwrap();
    assert_eq!(answer, Overridden::Missing);
}

#[tokio::test]
async fn old_records_without_objects_are_pruned() {
    const AGE: Duration = Duration::from_hours(24);
    let database = database().await;
    let storage = database.storage();
    let (old, young) = (TimeDelta::hours(25), TimeDelta::hours(23));
    let row = |status, column: &str, ended: TimeDelta| {
        ExportRow::of(PROJECT, status)
            .with_ago("created_at", TimeDelta::hours(100))
            .with_ago("started_at", TimeDelta::hours(90))
            .with_ago("completed_at", TimeDelta::hours(80))
            .with_ago(column, ended)
    };
    let failed =
        |column: &str, ended| row(Failed, column, ended).with("completed_at", None::<&str>);
    let never_tried = ExportRow::of(PROJECT, Failed)
        .with("started_at", None::<&str>)
        .with_ago("created_at", old);
    let go = [
        row(Expired, "expires_at", old),
        failed("started_at", old),
        never_tried,
    ];
    let stay = [
        row(Expired, "expires_at", young),
        failed("started_at", young),
        ExportRow::of(PROJECT, Pending).with_ago("created_at", old),
        row(Completed, "completed_at", old),
    ];
    for row in go.iter().chain(&stay) {
        row.insert(database.pool()).await;
    }
    let unswept = row(Expired, "expires_at", old);
    unswept.insert_with_object(database.pool(), "doomed").await;

    assert_eq!(storage.count_prunable(AGE).await.unwrap(), 3);
    assert_eq!(storage.prune_records(AGE, 2).await.unwrap(), 2);
    assert_eq!(storage.prune_records(AGE, 2).await.unwrap(), 1);
    assert_eq!(storage.prune_records(AGE, 2).await.unwrap(), 0);
    for row in &go {
        assert!(database.export_row(row.id()).await.is_none(), "{row:?}");
    }
    for row in stay.iter().chain([&unswept]) {
        assert!(database.export_row(row.id()).await.is_some(), "{row:?}");
    }
    database.execute("DELETE FROM export_objects").await;
    assert_eq!(
        storage.prune_records(AGE, 2).await.unwrap(),
        1,
        "its object is gone"
    );
}
