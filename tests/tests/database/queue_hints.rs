//! Claims with queue hints find every due export.

use std::sync::Arc;
use std::time::Duration;

use exports_database::{Claim, ClaimRequest, Database, Leased, QueueHints};
use exports_tests::{TIMEOUT, TestDatabase, eventually};
use uuid::Uuid;

use crate::support::{PROJECT, database, queue, worker};

async fn hints(storage: &Database, known: &QueueHints) -> Arc<QueueHints> {
    Arc::new(storage.queue_hints(known).await.unwrap())
}

async fn claim(storage: &Database, known: &Arc<QueueHints>) -> Option<Claim> {
    let request = ClaimRequest {
        hints: known.clone(),
        ..worker("worker-1")
    };
    storage.claim(&request).await.unwrap().pop()
}

async fn claimed(storage: &Database, known: &Arc<QueueHints>) -> Option<Uuid> {
    claim(storage, known)
        .await
        .map(|claim| claim.lease.export.0)
}

/// Moves all queue entries one minute into the past.
pub(crate) async fn age_arrivals(database: &TestDatabase) {
    database
        .execute(
            "ALTER TABLE exports DISABLE TRIGGER exports_enter_queue;
             UPDATE exports SET pending_since = pending_since - interval '1 minute',
                                processing_since = processing_since - interval '1 minute';
             ALTER TABLE exports ENABLE TRIGGER exports_enter_queue",
        )
        .await;
}

#[tokio::test]
async fn hinted_exports_and_later_arrivals_are_claimed_in_turn() {
    let database = database().await;
    let storage = database.storage();
    let old = queue(&database, "proj_a", 3).await;
    age_arrivals(&database).await;
    let known = hints(&storage, &QueueHints::default()).await;
    let new = queue(&database, "proj_b", 1).await;
    let of_known = queue(&database, "proj_a", 1).await;

    let mut ids = Vec::new();
    while let Some(id) = claimed(&storage, &known).await {
        ids.push(id);
    }

    // Exports of one project became due an hour before their creation, a millisecond apart.
    assert_eq!(ids, [old[0], new[0], old[1], old[2], of_known[0]]);
}

#[tokio::test]
async fn a_released_export_is_found_although_it_precedes_the_hints() {
    let database = database().await;
    let storage = database.storage();
    let ids = queue(&database, PROJECT, 3).await;
    age_arrivals(&database).await;
    let known = hints(&storage, &QueueHints::default()).await;
    let first = claim(&storage, &known).await.unwrap();
    age_arrivals(&database).await;
    // The hints now contain the second export as the first of the project.
    let known = hints(&storage, &known).await;
    assert_eq!(
        storage.release(first.lease).await.unwrap(),
        Leased::Held(())
    );
    assert_eq!(claimed(&storage, &known).await, Some(ids[0]));
    assert_eq!(claimed(&storage, &known).await, Some(ids[1]));
}

#[tokio::test]
async fn a_delayed_retry_is_claimed_with_old_hints_when_it_is_due() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let first = claim(&storage, &Arc::default()).await.unwrap();
    let pause = Duration::from_millis(200);
    let retried = storage.retry(first.lease, pause, "why").await.unwrap();
    assert_eq!(retried, Leased::Held(()));
    age_arrivals(&database).await;
    let known = hints(&storage, &QueueHints::default()).await;
    let known = hints(&storage, &known).await;
    let again = eventually("the retry is due", TIMEOUT, async || {
        claimed(&storage, &known).await
    });
    assert_eq!(again.await, id);
}

#[tokio::test]
async fn a_hinted_running_export_is_counted_and_taken_over_after_its_lease_expires() {
    let database = database().await;
    let storage = database.storage();
    let held = queue(&database, "proj_a", 3).await;
    let running = claim(&storage, &Arc::default()).await.unwrap();
    queue(&database, "proj_b", 1).await;
    age_arrivals(&database).await;
    let known = hints(&storage, &QueueHints::default()).await;
    let known = hints(&storage, &known).await;
    assert!(!known.has_expired_lease());
    // Project a has a running export, so project b is next.
    let next = claim(&storage, &known).await.unwrap();
    assert_eq!(next.project.as_str(), "proj_b");

    database
        .execute(format!(
            "UPDATE exports SET lease_expires_at = clock_timestamp() WHERE id = '{}'",
            held[0]
        ))
        .await;
    assert!(hints(&storage, &known).await.has_expired_lease());
    let taken = claim(&storage, &known).await.unwrap();
    assert_eq!(taken.lease.export, running.lease.export);
    assert!(taken.taken_over);
}

#[tokio::test]
async fn new_hints_find_an_export_that_became_visible_late() {
    let database = database().await;
    let storage = database.storage();
    let known = hints(&storage, &QueueHints::default()).await;
    let late = queue(&database, PROJECT, 1).await;
    // Simulates a transaction that took a minute to commit.
    age_arrivals(&database).await;
    assert_eq!(claimed(&storage, &known).await, None);
    let known = hints(&storage, &QueueHints::default()).await;
    assert_eq!(claimed(&storage, &known).await, Some(late[0]));
}
