//! Fairness between projects.

use exports_database::ClaimRequest;
use exports_domain::ExportStatus::Processing;
use exports_tests::{ExportRow, TestDatabase};

use crate::support::{PROJECT, claim, database, queue, worker};

/// The projects of the next claims, one after the other.
async fn next_projects(database: &TestDatabase, count: usize) -> Vec<String> {
    let storage = database.storage();
    let mut projects = Vec::new();
    for _ in 0..count {
        let claim = claim(&storage).await.unwrap();
        projects.push(claim.project.to_string());
    }
    projects
}

#[tokio::test]
async fn a_thousand_exports_of_one_project_do_not_delay_another_project() {
    let database = database().await;
    queue(&database, "proj_a", 1000).await;
    assert_eq!(next_projects(&database, 3).await, ["proj_a"; 3]);
    queue(&database, "proj_b", 1).await;
    assert_eq!(next_projects(&database, 2).await, ["proj_b", "proj_a"]);
}

#[tokio::test]
async fn the_project_with_the_fewest_running_exports_is_claimed_first() {
    let database = database().await;
    for project in ["proj_a", "proj_b", "proj_c"] {
        queue(&database, project, 3).await;
    }
    let mut first = next_projects(&database, 3).await;
    first.sort();
    assert_eq!(first, ["proj_a", "proj_b", "proj_c"]);
    let mut second = next_projects(&database, 3).await;
    second.sort();
    assert_eq!(second, ["proj_a", "proj_b", "proj_c"]);
}

#[tokio::test]
async fn a_claim_of_several_exports_is_shared_between_projects() {
    let database = database().await;
    queue(&database, "proj_a", 10).await;
    queue(&database, "proj_b", 2).await;
    let request = ClaimRequest {
        limit: 4,
        ..worker("worker-1")
    };
    let claims = database.storage().claim(&request).await.unwrap();
    let mut projects: Vec<_> = claims.iter().map(|claim| claim.project.as_str()).collect();
    projects.sort_unstable();
    assert_eq!(projects, ["proj_a", "proj_a", "proj_b", "proj_b"]);
}

#[tokio::test]
async fn an_export_with_an_expired_lease_does_not_count_as_running() {
    let database = database().await;
    // Two exports of project a have no attempts left and wait for the janitor.
    for _ in 0..2 {
        let row = ExportRow::of(PROJECT, Processing).lease_ended();
        row.with("attempt", 8).insert(database.pool()).await;
    }
    let first = queue(&database, "proj_a", 1).await[0];
    database.project("proj_b").await;
    ExportRow::of("proj_b", Processing)
        .insert(database.pool())
        .await;
    queue(&database, "proj_b", 1).await;
    let claimed = claim(&database.storage()).await.unwrap();
    assert_eq!(claimed.lease.export.0, first);
}

#[tokio::test]
async fn exports_of_one_project_are_claimed_by_due_time() {
    let database = database().await;
    let storage = database.storage();
    let ids = queue(&database, PROJECT, 40).await;
    for id in ids {
        assert_eq!(claim(&storage).await.unwrap().lease.export.0, id);
    }
    assert!(claim(&storage).await.is_none());
}

#[tokio::test]
async fn an_export_with_an_expired_lease_is_claimed_before_pending_ones() {
    let database = database().await;
    queue(&database, PROJECT, 5).await;
    let lost = ExportRow::of(PROJECT, Processing).lease_ended();
    let lost = lost.insert(database.pool()).await;
    let claimed = claim(&database.storage()).await.unwrap();
    assert_eq!(claimed.lease.export.0, lost);
}
