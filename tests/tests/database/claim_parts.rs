//! The parts of the claim statement, each by itself. The first test is the example queue in the
//! documentation of `Database::claim`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use exports_database::{Claim, ClaimRequest, Database, Leased, QueueHints};
use exports_domain::ExportStatus::{Completed, Pending, Processing};
use exports_domain::RetryPolicy;
use exports_tests::{ExportRow, TestDatabase};
use serde_json::json;
use uuid::Uuid;

use crate::queue_hints::age_arrivals;
use crate::support::{
    LEASE, PROJECT, backdate, database, finished_file, object_state, objects, queue, worker,
};

const OTHER: &str = "proj_b";

/// Hints for everything that is in the queue now. Exports inserted later count as arrivals.
async fn hints_of_now(database: &TestDatabase) -> Arc<QueueHints> {
    age_arrivals(database).await;
    let hints = database.storage().queue_hints(&QueueHints::default()).await;
    Arc::new(hints.unwrap())
}

async fn claims(storage: &Database, hints: &Arc<QueueHints>, limit: u16) -> Vec<Claim> {
    let request = ClaimRequest {
        limit,
        hints: hints.clone(),
        ..worker("worker-2")
    };
    storage.claim(&request).await.unwrap()
}

/// The ids of one claim. Their order is not defined.
async fn claimed(storage: &Database, hints: &Arc<QueueHints>, limit: u16) -> HashSet<Uuid> {
    let claims = claims(storage, hints, limit).await;
    claims.iter().map(|claim| claim.lease.export.0).collect()
}

/// A pending export of a project that became due some minutes ago; negative: it becomes due later.
fn pending(project: &str, due_minutes_ago: i64) -> ExportRow {
    ExportRow::of(project, Pending).with_ago("due_at", TimeDelta::minutes(due_minutes_ago))
}

#[tokio::test]
async fn the_documented_example_is_claimed_in_the_documented_order() {
    let database = database().await;
    let storage = database.storage();
    database.project(OTHER).await;
    let a1 = pending(PROJECT, 2).insert(database.pool()).await;
    let a2 = pending(PROJECT, 1).insert(database.pool()).await;
    let a3 = pending(PROJECT, -5).insert(database.pool()).await;
    let a4 = ExportRow::of(PROJECT, Processing);
    a4.insert_with_object(database.pool(), "writing").await;
    let b2 = ExportRow::of(OTHER, Processing).lease_ended();
    b2.insert_with_object(database.pool(), "writing").await;
    ExportRow::of(OTHER, Processing)
        .with_ago("lease_expires_at", TimeDelta::seconds(5))
        .with("takeovers", 2)
        .with("attempt", 3)
        .insert(database.pool())
        .await;
    let hints = hints_of_now(&database).await;
    let b1 = pending(OTHER, 0).insert(database.pool()).await;

    let request = ClaimRequest {
        limit: 3,
        hints: hints.clone(),
        last_slot_reserved: true,
        ..worker("worker-2")
    };
    let first = storage.claim(&request).await.unwrap();

    let ids: HashSet<_> = first.iter().map(|claim| claim.lease.export.0).collect();
    assert_eq!(ids, HashSet::from([b2.id(), b1]));
    for claim in &first {
        let is_b2 = claim.lease.export.0 == b2.id();
        assert_eq!(claim.taken_over, is_b2, "{claim:?}");
        assert_eq!(claim.attempt, if is_b2 { 2 } else { 1 }, "{claim:?}");
        let state = object_state(&database, &claim.object_key).await;
        assert_eq!(state, "writing", "the new object is recorded");
    }
    let replaced = object_state(&database, &b2.object_key()).await;
    assert_eq!(replaced, "doomed", "the object of the expired attempt");
    let untouched = object_state(&database, &a4.object_key()).await;
    assert_eq!(untouched, "writing", "the object of another export");

    assert_eq!(claimed(&storage, &hints, 1).await, HashSet::from([a1]));
    assert_eq!(claimed(&storage, &hints, 1).await, HashSet::from([a2]));
    assert_eq!(claimed(&storage, &hints, 1).await, HashSet::new());
    assert_eq!(database.export_column(a3, "status").await, "pending");
}

/// `arrived`: one probe per project and five seconds finds every project.
#[tokio::test]
async fn a_claim_finds_every_project_with_an_arrival() {
    let database = database().await;
    let storage = database.storage();
    let hints = hints_of_now(&database).await;
    let mut expected = HashSet::new();
    // Two groups of five seconds: the exports of proj_d are one group later.
    for project in ["proj_c", "proj_d"] {
        expected.extend(queue(&database, project, 2).await);
    }
    database
        .execute(
            "ALTER TABLE exports DISABLE TRIGGER exports_enter_queue;
             UPDATE exports SET pending_since = pending_since + interval '5 seconds' WHERE project_id = 'proj_d';
             ALTER TABLE exports ENABLE TRIGGER exports_enter_queue",
        )
        .await;
    for project in ["proj_a", "proj_e"] {
        expected.extend(queue(&database, project, 2).await);
    }
    assert_eq!(claimed(&storage, &hints, 8).await, expected);
}

/// `arrived`: an export that arrives after another one of its project may be due before it.
#[tokio::test]
async fn arrivals_of_one_project_are_claimed_by_due_time() {
    let database = database().await;
    let storage = database.storage();
    let hints = hints_of_now(&database).await;
    let second = pending(PROJECT, 1).insert(database.pool()).await;
    let third = pending(PROJECT, 0).insert(database.pool()).await;
    let first = pending(PROJECT, 2).insert(database.pool()).await;
    for next in [first, second, third] {
        assert_eq!(claimed(&storage, &hints, 1).await, HashSet::from([next]));
    }
}

/// `pending`: only due exports, of hinted projects and of arrivals.
#[tokio::test]
async fn only_due_exports_are_claimed_whether_hinted_or_arrived() {
    let database = database().await;
    let storage = database.storage();
    database.project(OTHER).await;
    pending(PROJECT, -5).insert(database.pool()).await;
    let hinted = pending(PROJECT, 1).insert(database.pool()).await;
    let hints = hints_of_now(&database).await;
    pending(OTHER, -5).insert(database.pool()).await;
    let arrived = pending(OTHER, 1).insert(database.pool()).await;
    let expected = HashSet::from([hinted, arrived]);
    assert_eq!(claimed(&storage, &hints, 10).await, expected);
}

/// `pending`: the number of candidates per project does not cut a claim below its limit.
#[tokio::test]
async fn one_project_can_fill_a_claim_up_to_the_limit() {
    let database = database().await;
    let storage = database.storage();
    let ids = queue(&database, PROJECT, 40).await;
    let expected: HashSet<_> = ids.iter().take(30).copied().collect();
    assert_eq!(claimed(&storage, &Arc::default(), 30).await, expected);
}

/// `pending`: an export that is both hinted and arrived is one candidate.
#[tokio::test]
async fn an_export_that_is_hinted_and_arrived_is_claimed_once() {
    let database = database().await;
    let storage = database.storage();
    let ids = queue(&database, PROJECT, 2).await;
    // Not aged: `since` lies before the arrival, so the exports are in the hints and arrived.
    let hints = storage.queue_hints(&QueueHints::default()).await.unwrap();
    let claims = claims(&storage, &Arc::new(hints), 10).await;
    assert_eq!(claims.len(), 2);
    let expected: HashSet<_> = ids.into_iter().collect();
    let ids: HashSet<_> = claims.iter().map(|claim| claim.lease.export.0).collect();
    assert_eq!(ids, expected);
}

/// Hints are only hints: the status is checked again.
#[tokio::test]
async fn old_hints_do_not_claim_exports_that_have_left_the_queue() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Processing).lease_ended();
    let taken_over = row.insert_with_object(database.pool(), "writing").await;
    let ended = queue(&database, PROJECT, 1).await[0];
    let hints = hints_of_now(&database).await;
    assert!(hints.has_expired_lease());

    // Another worker takes both over; one is completed.
    let others = claims(&storage, &Arc::default(), 2).await;
    assert_eq!(others.len(), 2);
    let done = others.iter().find(|claim| claim.lease.export.0 == ended);
    let done = done.unwrap();
    let completed = storage
        .complete(done.lease, &done.object_key, &finished_file())
        .await;
    assert!(matches!(completed.unwrap(), Leased::Held(_)));
    age_arrivals(&database).await;

    assert_eq!(claimed(&storage, &hints, 10).await, HashSet::new());
    let attempt = database.export_column(taken_over, "attempt").await;
    assert_eq!(attempt, 2, "claimed by the other worker only");
}

/// A hinted project without pending exports costs one probe and hides nothing.
#[tokio::test]
async fn hints_of_projects_without_pending_exports_do_not_hide_arrivals() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let hints = hints_of_now(&database).await;
    assert_eq!(claimed(&storage, &hints, 1).await.len(), 1);
    let new = queue(&database, OTHER, 1).await;
    let expected: HashSet<_> = new.into_iter().collect();
    assert_eq!(claimed(&storage, &hints, 10).await, expected);
}

/// `running`: exports that started after the hints are counted; finished exports are not.
#[tokio::test]
async fn running_exports_are_counted_from_hints_and_arrivals() {
    let database = database().await;
    let storage = database.storage();
    database.project(OTHER).await;
    queue(&database, PROJECT, 1).await;
    queue(&database, OTHER, 1).await;
    // Project A has one running by the hints; project B has two, which began after the hints.
    ExportRow::of(PROJECT, Processing)
        .insert(database.pool())
        .await;
    let hints = hints_of_now(&database).await;
    for _ in 0..2 {
        ExportRow::of(OTHER, Processing)
            .insert(database.pool())
            .await;
    }
    ExportRow::of(PROJECT, Completed)
        .insert(database.pool())
        .await;
    let next = claims(&storage, &hints, 1).await;
    assert_eq!(next[0].project.as_str(), PROJECT);
}

/// `ranked`: a project with more running exports waits until the others have as many.
#[tokio::test]
async fn a_project_with_running_exports_waits_until_others_have_as_many() {
    let database = database().await;
    let storage = database.storage();
    for _ in 0..2 {
        ExportRow::of(PROJECT, Processing)
            .insert(database.pool())
            .await;
    }
    queue(&database, PROJECT, 4).await;
    queue(&database, OTHER, 4).await;
    // Turns: A 3, 4, 5, 6; B 1, 2, 3, 4.
    let first = claims(&storage, &Arc::default(), 2).await;
    assert!(first.iter().all(|claim| claim.project.as_str() == OTHER));
    let second = claims(&storage, &Arc::default(), 2).await;
    let projects: HashSet<_> = second.iter().map(|claim| claim.project.as_str()).collect();
    assert_eq!(projects, HashSet::from([PROJECT, OTHER]));
}

/// `ranked`: expired leases come first, the one that expired first at the front.
#[tokio::test]
async fn expired_leases_are_taken_over_in_order_of_expiry() {
    let database = database().await;
    let storage = database.storage();
    queue(&database, PROJECT, 1).await;
    let expired = |minutes| {
        ExportRow::of(PROJECT, Processing).with_ago("lease_expires_at", TimeDelta::minutes(minutes))
    };
    let second = expired(1).insert(database.pool()).await;
    let first = expired(2).insert(database.pool()).await;
    for next in [first, second] {
        let claims = claims(&storage, &Arc::default(), 1).await;
        assert_eq!(claims[0].lease.export.0, next);
        assert!(claims[0].taken_over);
    }
    assert!(!claims(&storage, &Arc::default(), 1).await[0].taken_over);
}

/// `held`: once an export was taken over twice, the next takeover waits as long as a retry.
#[tokio::test]
async fn a_third_takeover_waits_for_the_pause_of_a_retry() {
    let database = database().await;
    let storage = database.storage();
    let policy = RetryPolicy { max_attempts: 10 };
    let mut expected = HashSet::new();
    for attempt in 3..10 {
        let pause = policy.pause_after(attempt, 0.0).unwrap();
        let lost = |seconds: i64, takeovers: i32| {
            let ago = TimeDelta::from_std(pause).unwrap() + TimeDelta::seconds(seconds);
            ExportRow::of(PROJECT, Processing)
                .with("attempt", attempt)
                .with("takeovers", takeovers)
                .with_ago("lease_expires_at", ago)
        };
        lost(-8, 2).insert(database.pool()).await;
        expected.insert(lost(1, 2).insert(database.pool()).await);
        expected.insert(lost(-8, 1).insert(database.pool()).await);
    }
    let request = ClaimRequest {
        limit: 100,
        max_attempts: 10,
        ..worker("worker-2")
    };
    let claims = storage.claim(&request).await.unwrap();
    let ids: HashSet<_> = claims.iter().map(|claim| claim.lease.export.0).collect();
    assert_eq!(ids, expected);
}

/// `claimed`: takeovers are counted until an attempt ends with a recorded result.
#[tokio::test]
async fn takeovers_are_counted_until_a_retry_is_recorded() {
    let database = database().await;
    let storage = database.storage();
    let id = queue(&database, PROJECT, 1).await[0];
    let takeovers = async || database.export_column(id, "takeovers").await;
    let hints = Arc::default();
    for expected in 0..3 {
        assert_eq!(claims(&storage, &hints, 1).await.len(), 1);
        assert_eq!(takeovers().await, expected);
        backdate(&database, id, "lease_expires_at").await;
    }
    assert_eq!(claims(&storage, &hints, 1).await.len(), 0, "the pause");
    database
        .execute("UPDATE exports SET lease_expires_at = clock_timestamp() - interval '17 s'")
        .await;
    let claim = claims(&storage, &hints, 1).await.remove(0);
    assert_eq!((claim.attempt, takeovers().await), (4, json!(3)));
    let retried = storage.retry(claim.lease, Duration::ZERO, "a reason").await;
    assert_eq!(retried.unwrap(), Leased::Held(()));
    assert_eq!(takeovers().await, 0);
}

/// `candidate`: an export without attempts left does not use up the limit.
#[tokio::test]
async fn an_exhausted_export_is_skipped_and_the_next_one_is_claimed() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Processing).lease_ended();
    row.with("attempt", 8).insert(database.pool()).await;
    let next = queue(&database, PROJECT, 1).await;
    let expected: HashSet<_> = next.into_iter().collect();
    assert_eq!(claimed(&storage, &Arc::default(), 1).await, expected);
}

/// `claimed`: a new attempt starts without the progress of the expired one.
#[tokio::test]
async fn a_takeover_resets_the_progress_and_sets_a_new_lease() {
    let database = database().await;
    let storage = database.storage();
    let row = ExportRow::of(PROJECT, Processing)
        .lease_ended()
        .with("progress_rows", 7)
        .with("progress_bytes", 70);
    let id = row.insert(database.pool()).await;
    let claim = claims(&storage, &Arc::default(), 1).await.remove(0);
    assert_ne!(claim.lease.token, row.lease().token);
    let token = json!(claim.lease.token.0);
    for (column, expected) in [
        ("lease_token", token),
        ("lease_owner", json!("worker-2")),
        ("progress_rows", json!(null)),
        ("progress_bytes", json!(null)),
    ] {
        let value = database.export_column(id, column).await;
        assert_eq!(value, expected, "{column}");
    }
    let seconds = LEASE.as_secs();
    let sql = format!(
        "SELECT lease_expires_at > clock_timestamp() + interval '{} s'
            AND lease_expires_at <= clock_timestamp() + interval '{seconds} s' FROM exports",
        seconds - 60
    );
    assert_eq!(database.value(&sql).await, true);
}

/// `replaced` and `recorded`: only objects that an attempt was writing are marked for deletion.
#[tokio::test]
async fn a_claim_records_its_object_and_marks_only_the_replaced_one() {
    let database = database().await;
    let storage = database.storage();
    let lost = ExportRow::of(PROJECT, Processing).lease_ended();
    let id = lost.insert_with_object(database.pool(), "writing").await;
    let file = ExportRow::of(PROJECT, Completed);
    file.insert_with_object(database.pool(), "kept").await;

    let claim = claims(&storage, &Arc::default(), 1).await.remove(0);

    let token = claim.lease.token.0;
    assert_eq!(claim.object_key, format!("{PROJECT}/{id}/2-{token}.csv"));
    let states: HashSet<_> = objects(&database, id)
        .await
        .iter()
        .map(|object| {
            let text = |name: &str| object[name].as_str().unwrap().to_owned();
            (text("key"), text("state"))
        })
        .collect();
    let expected = [
        (lost.object_key(), "doomed".to_owned()),
        (claim.object_key.clone(), "writing".to_owned()),
    ];
    assert_eq!(states, HashSet::from(expected));
    assert_eq!(object_state(&database, &file.object_key()).await, "kept");
}
