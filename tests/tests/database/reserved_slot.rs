//! The last free slot of a worker is reserved for the first export of a project.

use chrono::TimeDelta;
use exports_database::{Claim, ClaimRequest};
use exports_domain::ExportStatus::Processing;
use exports_tests::{ExportRow, TestDatabase};

use crate::support::{PROJECT, database, queue, worker};

const OTHER: &str = "proj_b";

/// The claims of a worker with this many free slots, whose last one is reserved.
async fn claims(database: &TestDatabase, free: u16, borrowers: &[&str]) -> Vec<Claim> {
    let request = ClaimRequest {
        limit: free,
        last_slot_reserved: true,
        borrowers: borrowers.iter().map(ToString::to_string).collect(),
        ..worker("worker-1")
    };
    let mut claims = database.storage().claim(&request).await.unwrap();
    claims.sort_by_key(|claim| claim.project.to_string());
    claims
}

/// The projects of these claims, sorted.
async fn projects(database: &TestDatabase, free: u16) -> Vec<String> {
    let claims = claims(database, free, &[]).await;
    assert!(claims.iter().all(|claim| !claim.borrows_slot), "{claims:?}");
    claims
        .iter()
        .map(|claim| claim.project.to_string())
        .collect()
}

/// An export of [`PROJECT`] that has been running for this many seconds.
async fn running(database: &TestDatabase, seconds: i64) {
    ExportRow::of(PROJECT, Processing)
        .with_ago("started_at", TimeDelta::seconds(seconds))
        .insert(database.pool())
        .await;
}

#[tokio::test]
async fn one_project_uses_all_slots_but_the_last() {
    let database = database().await;
    queue(&database, PROJECT, 20).await;
    assert_eq!(projects(&database, 4).await, [PROJECT; 3]);
    assert!(projects(&database, 1).await.is_empty());
    // Another worker.
    assert_eq!(projects(&database, 2).await, [PROJECT; 1]);
}

#[tokio::test]
async fn the_last_slot_is_for_a_project_that_has_nothing_running() {
    let database = database().await;
    queue(&database, PROJECT, 5).await;
    assert_eq!(projects(&database, 2).await, [PROJECT]);
    queue(&database, OTHER, 5).await;
    assert_eq!(projects(&database, 1).await, [OTHER]);
    assert!(
        projects(&database, 1).await.is_empty(),
        "both have one running"
    );
    queue(&database, "proj_c", 5).await;
    // It uses the slot that is not reserved, so the last one stays free for a fourth project.
    assert_eq!(projects(&database, 2).await, ["proj_c"]);
}

#[tokio::test]
async fn two_projects_use_two_slots() {
    let database = database().await;
    queue(&database, PROJECT, 5).await;
    queue(&database, OTHER, 5).await;
    assert_eq!(projects(&database, 2).await, [PROJECT, OTHER]);
}

#[tokio::test]
async fn a_project_with_quick_exports_borrows_the_last_slot() {
    let database = database().await;
    queue(&database, PROJECT, 5).await;
    running(&database, 4).await;
    assert!(claims(&database, 1, &[OTHER]).await.is_empty());
    let borrowed = claims(&database, 1, &[OTHER, PROJECT]).await;
    assert!(borrowed[0].borrows_slot);
    // The first slot is not borrowed.
    let both = claims(&database, 2, &[PROJECT]).await;
    let borrows: Vec<_> = both.iter().map(|claim| claim.borrows_slot).collect();
    assert_eq!(borrows.iter().filter(|borrows| **borrows).count(), 1);
    assert_eq!(borrows.len(), 2);
}

#[tokio::test]
async fn a_project_with_a_long_export_does_not_borrow() {
    let database = database().await;
    queue(&database, PROJECT, 5).await;
    running(&database, 11).await;
    running(&database, 1).await;
    assert!(claims(&database, 1, &[PROJECT]).await.is_empty());
    assert_eq!(claims(&database, 2, &[PROJECT]).await.len(), 1);
}

#[tokio::test]
async fn the_first_export_of_a_project_comes_before_borrowers() {
    let database = database().await;
    queue(&database, PROJECT, 5).await;
    queue(&database, OTHER, 1).await;
    running(&database, 1).await;
    let claims = claims(&database, 1, &[PROJECT]).await;
    assert_eq!(claims[0].project.as_str(), OTHER);
    assert!(!claims[0].borrows_slot);
}

#[tokio::test]
async fn a_takeover_uses_the_last_slot_only_as_the_first_export_of_its_project() {
    let database = database().await;
    let lost = async || {
        let row = ExportRow::of(PROJECT, Processing).lease_ended();
        row.insert(database.pool()).await
    };
    let first = lost().await;
    let taken = claims(&database, 1, &[]).await;
    assert_eq!(taken[0].lease.export.0, first);
    assert!(taken[0].taken_over && !taken[0].borrows_slot);

    // Now its project has one running.
    let second = lost().await;
    assert!(claims(&database, 1, &[PROJECT]).await.is_empty());
    queue(&database, OTHER, 1).await;
    let both = claims(&database, 2, &[]).await;
    assert_eq!(both[0].lease.export.0, second);
    assert_eq!(both[1].project.as_str(), OTHER);
}

#[tokio::test]
async fn an_exhausted_export_does_not_count_as_running() {
    let database = database().await;
    let row = ExportRow::of(PROJECT, Processing).lease_ended();
    row.with("attempt", 8).insert(database.pool()).await;
    queue(&database, PROJECT, 2).await;
    assert_eq!(projects(&database, 1).await, [PROJECT]);
}
