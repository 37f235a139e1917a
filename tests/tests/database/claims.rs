//! Claims: which worker gets which export, and how often.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use exports_database::{Claim, ClaimRequest, Leased, Progress};
use exports_domain::ExportStatus::{Pending, Processing};
use exports_domain::{Choice, ValueSet};
use exports_tests::{ExportRow, TIMEOUT, TestDatabase, eventually};
use serde_json::json;
use sqlx::Connection;
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::support::{
    PROJECT, backdate, claim, database, finished_file, new_export, queue, worker,
};

/// Lets 16 workers claim at the same time until all of `count` exports are taken.
async fn race(database: &TestDatabase, count: usize) -> Vec<Claim> {
    let storage = database.storage();
    let start = Arc::new(Barrier::new(16));
    let taken = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..16)
        .map(|number: u16| {
            let (storage, start, taken) = (storage.clone(), start.clone(), taken.clone());
            tokio::spawn(async move {
                let owner = format!("worker-{number}");
                let request = ClaimRequest {
                    limit: 1 + number % 4,
                    ..worker(&owner)
                };
                let mut mine = Vec::new();
                start.wait().await;
                while taken.load(Ordering::SeqCst) < count {
                    let claims = storage.claim(&request).await.unwrap();
                    assert!(claims.len() <= usize::from(request.limit));
                    taken.fetch_add(claims.len(), Ordering::SeqCst);
                    mine.extend(claims);
                }
                mine
            })
        })
        .collect();
    let mut claims = Vec::new();
    for worker in workers {
        let mine = tokio::time::timeout(TIMEOUT, worker).await;
        claims.extend(
            mine.expect("all exports are claimed before the timeout")
                .unwrap(),
        );
    }
    claims
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_200_exports_is_claimed_once_by_16_workers() {
    let database = database().await;
    for project in ["proj_a", "proj_b", "proj_c", "proj_d"] {
        queue(&database, project, 50).await;
    }
    let claims = race(&database, 200).await;

    assert_eq!(claims.len(), 200);
    let ids: HashSet<_> = claims.iter().map(|claim| claim.lease.export).collect();
    let keys: HashSet<_> = claims.iter().map(|claim| &claim.object_key).collect();
    assert_eq!((ids.len(), keys.len()), (200, 200));
    assert!(claims.iter().all(|claim| claim.attempt == 1));
    let sql = "SELECT count(*) FROM exports WHERE status = 'processing' AND attempt = 1";
    assert_eq!(database.value(sql).await, json!(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_expired_lease_is_taken_over_once_by_16_workers() {
    let database = database().await;
    for _ in 0..60 {
        let row = ExportRow::of(PROJECT, Processing).lease_ended();
        row.insert_with_object(database.pool(), "writing").await;
    }
    let claims = race(&database, 60).await;
    assert_eq!(claims.len(), 60);
    assert!(claims.iter().all(|claim| claim.attempt == 2));
    let sql = "SELECT json_object_agg(state, n) FROM
               (SELECT state, count(*) AS n FROM export_objects GROUP BY state) states";
    assert_eq!(
        database.value(sql).await,
        json!({"doomed": 60, "writing": 60})
    );
}

#[tokio::test]
async fn a_claim_contains_the_project_and_filter_of_the_export() {
    let database = database().await;
    let storage = database.storage();
    let mut new = new_export();
    new.filter.status = Choice::One(exports_domain::MessageStatus::FailedPermanent);
    let endpoints = [9, 7].map(|id| exports_domain::EndpointId(Uuid::from_u128(id)));
    new.filter.endpoint = Choice::OneOf(ValueSet::new(endpoints.to_vec()).unwrap());
    storage.create_export(&new).await.unwrap();
    backdate(&database, new.id.0, "due_at").await;

    let claim = claim(&storage).await.unwrap();
    assert_eq!(claim.lease.export, new.id);
    assert_eq!((claim.project, claim.filter), (new.project, new.filter));
    assert_eq!(claim.attempt, 1);
    assert!(!claim.taken_over, "this is the first attempt");
    let (id, token) = (new.id, claim.lease.token.0);
    assert_eq!(claim.object_key, format!("{PROJECT}/{id}/1-{token}.csv"));
    assert!(claim.waited < TIMEOUT, "{:?}", claim.waited);
    assert_eq!(
        database.export_column(id.0, "lease_owner").await,
        "worker-1"
    );
}

#[tokio::test]
async fn an_export_that_is_not_due_is_not_claimed() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Pending).with_ago("due_at", TimeDelta::minutes(-1));
    let id = row.insert(database.pool()).await;
    assert!(claim(&storage).await.is_none());
    backdate(&database, id, "due_at").await;
    assert!(claim(&storage).await.is_some());
}

#[tokio::test]
async fn an_export_is_taken_over_only_after_its_lease_expires() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Processing);
    let id = row.insert_with_object(database.pool(), "writing").await;
    assert!(claim(&storage).await.is_none(), "the lease is valid");

    backdate(&database, id, "lease_expires_at").await;
    let taken = claim(&storage).await.unwrap();
    assert_eq!(taken.lease.export.0, id);
    assert_ne!(taken.lease.token, row.lease().token);
    assert_eq!(taken.attempt, 2);
    assert!(taken.taken_over);
    assert!(claim(&storage).await.is_none(), "the new lease is valid");
}

#[tokio::test]
async fn a_lease_expires_by_database_time() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let short = ClaimRequest {
        lease: Duration::from_secs(1),
        ..worker("worker-1")
    };
    let first = storage.claim(&short).await.unwrap().pop().unwrap();
    let second = eventually("the lease expires", TIMEOUT, async || claim(&storage).await).await;
    assert_eq!(second.lease.export, first.lease.export);
    let late = storage
        .heartbeat(first.lease, short.lease, Progress::default())
        .await
        .unwrap();
    assert_eq!(late, Leased::Lost);
}

#[tokio::test]
async fn an_export_without_attempts_left_is_not_taken_over() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Processing).lease_ended();
    row.clone().with("attempt", 8).insert(database.pool()).await;
    assert!(claim(&storage).await.is_none());
    let more = ClaimRequest {
        max_attempts: 9,
        ..worker("worker-1")
    };
    assert_eq!(storage.claim(&more).await.unwrap()[0].attempt, 9);
}

#[tokio::test]
async fn a_claim_counts_an_attempt_and_a_release_does_not() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let due = database.export_column(id, "due_at").await;

    let first = claim(&storage).await.unwrap();
    assert_eq!(database.export_column(id, "attempt").await, 1);
    assert_eq!(
        storage.release(first.lease).await.unwrap(),
        Leased::Held(())
    );
    assert_eq!(database.export_column(id, "attempt").await, 0);
    assert_eq!(
        database.export_column(id, "due_at").await,
        due,
        "due_at is unchanged"
    );
    let token = database.export_column(id, "lease_token").await;
    assert_ne!(token, json!(first.lease.token.0), "the token is rotated");

    let second = claim(&storage).await.unwrap();
    assert_eq!(second.attempt, 1);
    let retried = storage.retry(second.lease, Duration::ZERO, "why").await;
    assert_eq!(retried.unwrap(), Leased::Held(()));
    assert_eq!(
        database.export_column(id, "attempt").await,
        1,
        "a retry counts as an attempt"
    );
    assert_eq!(database.export_column(id, "attempt_error").await, "why");
    assert_eq!(claim(&storage).await.unwrap().attempt, 2);
}

#[tokio::test]
async fn a_retry_is_not_claimed_before_its_delay_ends() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let first = claim(&storage).await.unwrap();
    let pause = Duration::from_hours(1);
    let retried = storage.retry(first.lease, pause, "the store is away").await;
    assert_eq!(retried.unwrap(), Leased::Held(()));
    assert!(claim(&storage).await.is_none());
    let sql = "SELECT due_at > clock_timestamp() + interval '59 minutes'
                  AND due_at < clock_timestamp() + interval '61 minutes' FROM exports";
    assert_eq!(database.value(sql).await, true);

    backdate(&database, id, "due_at").await;
    assert_eq!(claim(&storage).await.unwrap().attempt, 2);
}

#[tokio::test]
async fn a_heartbeat_extends_the_lease() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Processing);
    row.insert(database.pool()).await;
    let held = storage
        .heartbeat(row.lease(), Duration::from_mins(30), Progress::default())
        .await;
    assert_eq!(held.unwrap(), Leased::Held(()));
    let sql = "SELECT lease_expires_at > clock_timestamp() + interval '29 minutes'
                  AND lease_expires_at < clock_timestamp() + interval '31 minutes' FROM exports";
    assert_eq!(database.value(sql).await, true);
}

#[tokio::test]
async fn a_claim_skips_a_locked_export() {
    let database = database().await;
    let storage = database.storage();
    let ids = queue(&database, PROJECT, 2).await;
    let mut other = database.connect().await;
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("SELECT FROM exports WHERE id = $1 FOR UPDATE")
        .bind(ids[0])
        .execute(&mut *transaction)
        .await
        .unwrap();
    let claimed = claim(&storage).await.unwrap();
    assert_eq!(
        claimed.lease.export.0, ids[1],
        "the claim does not wait for the lock"
    );
    transaction.rollback().await.unwrap();
    assert_eq!(claim(&storage).await.unwrap().lease.export.0, ids[0]);
}

#[tokio::test]
async fn timestamps_stay_in_order_when_the_database_clock_goes_back() {
    let database = database().await;
    let storage = database.storage();
    // Created an hour ahead of the current time of the clock.
    let row = ExportRow::of(PROJECT, Pending).with_ago("created_at", TimeDelta::hours(-1));
    let id = row.insert(database.pool()).await;
    let claim = claim(&storage).await.unwrap();
    let completed = storage
        .complete(claim.lease, &claim.object_key, &finished_file())
        .await;
    assert!(matches!(completed.unwrap(), Leased::Held(_)));
    let sql = "SELECT created_at = started_at AND started_at = completed_at
                  AND expires_at = completed_at + interval '1 hour' FROM exports";
    assert_eq!(database.value(sql).await, true);
    assert!(database.export_row(id).await.is_some());
}
