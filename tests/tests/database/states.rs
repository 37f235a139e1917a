//! The state machine of `domain` and the SQL agree for every pair of states.

use std::time::Duration;

use chrono::TimeDelta;
use exports_database::{Canceled, Database, Leased, Overridden, Progress};
use exports_domain::{ExportId, ExportStatus};
use exports_tests::{ExportRow, TestDatabase};
use uuid::Uuid;

use crate::support::{LEASE, PROJECT, database, failure, finished_file, project, worker};

/// Every operation of storage that changes the state of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Claim,
    Heartbeat,
    Complete,
    Fail,
    Retry,
    Release,
    ExpireDue,
    FailExhausted,
    RequeueByHand,
    FailByHand,
    Cancel,
}

impl Step {
    const ALL: [Self; 11] = [
        Self::Claim,
        Self::Heartbeat,
        Self::Complete,
        Self::Fail,
        Self::Retry,
        Self::Release,
        Self::ExpireDue,
        Self::FailExhausted,
        Self::RequeueByHand,
        Self::FailByHand,
        Self::Cancel,
    ];

    fn leads_to(self) -> ExportStatus {
        match self {
            Self::Claim | Self::Heartbeat => ExportStatus::Processing,
            Self::Complete => ExportStatus::Completed,
            Self::Fail | Self::FailExhausted | Self::FailByHand | Self::Cancel => {
                ExportStatus::Failed
            }
            Self::Retry | Self::Release | Self::RequeueByHand => ExportStatus::Pending,
            Self::ExpireDue => ExportStatus::Expired,
        }
    }

    /// A row in state `from` that meets every other condition of this step: the right
    /// token, a valid or expired lease, a due time in the past.
    fn inviting_row(self, from: ExportStatus) -> ExportRow {
        let row = ExportRow::of(PROJECT, from);
        match (from, self) {
            (ExportStatus::Pending, _) => {
                let token = row.lease().token.0.to_string();
                row.with("attempt", 1).with("lease_token", token)
            }
            (ExportStatus::Processing, Self::Claim | Self::FailExhausted) => row.lease_ended(),
            (ExportStatus::Completed, Self::ExpireDue) => {
                row.with_ago("expires_at", TimeDelta::seconds(1))
            }
            _ => row,
        }
    }

    /// Tries the step and returns whether storage reports success.
    async fn attempt(self, storage: &Database, row: &ExportRow) -> bool {
        let (lease, key) = (row.lease(), row.object_key());
        let id = lease.export;
        let minute = Duration::from_mins(1);
        let held = |answer: Leased| answer == Leased::Held(());
        match self {
            Self::Claim => {
                let claims = storage.claim(&worker("worker-2")).await.unwrap();
                claims.iter().any(|claim| claim.lease.export == id)
            }
            Self::Heartbeat => held(
                storage
                    .heartbeat(lease, LEASE, Progress::default())
                    .await
                    .unwrap(),
            ),
            Self::Complete => {
                let completed = storage
                    .complete(lease, &key, &finished_file())
                    .await
                    .unwrap();
                matches!(completed, Leased::Held(_))
            }
            Self::Fail => held(storage.fail(lease, &failure(), "why").await.unwrap()),
            Self::Retry => held(storage.retry(lease, minute, "why").await.unwrap()),
            Self::Release => held(storage.release(lease).await.unwrap()),
            Self::ExpireDue => storage.expire_due(10).await.unwrap().contains(&id),
            Self::FailExhausted => {
                let failed = storage.fail_exhausted(1, &failure(), 10).await.unwrap();
                failed.contains(&id)
            }
            Self::RequeueByHand => {
                let answer = storage.force_requeue(id).await.unwrap();
                matches!(answer, Overridden::Done { .. })
            }
            Self::FailByHand => {
                let answer = storage.force_fail(id, &failure()).await.unwrap();
                matches!(answer, Overridden::Done { .. })
            }
            Self::Cancel => {
                let answer = storage.cancel_export(&project(), id, "why").await.unwrap();
                matches!(answer, Canceled::Now(_))
            }
        }
    }
}

#[tokio::test]
async fn the_state_machine_and_the_sql_agree_for_every_pair_of_states() {
    let database = database().await;
    let storage = database.storage();
    for &from in ExportStatus::ALL {
        for &to in ExportStatus::ALL {
            let steps = Step::ALL.into_iter().filter(|step| step.leads_to() == to);
            let mut changed_it = Vec::new();
            for step in steps {
                if try_step(&database, &storage, from, step).await {
                    changed_it.push(step);
                }
            }
            let changed = !changed_it.is_empty();
            assert_eq!(
                changed,
                from.can_become(to),
                "{from} to {to}, changed by {changed_it:?}"
            );
        }
    }
}

/// Inserts a row in state `from`, tries the step, and checks that the row either has the step's state
/// or is unchanged. Returns whether it changed.
async fn try_step(
    database: &TestDatabase,
    storage: &Database,
    from: ExportStatus,
    step: Step,
) -> bool {
    let case = format!("{step:?} of {from}");
    let row = step.inviting_row(from);
    let id = match from {
        ExportStatus::Processing => row.insert_with_object(database.pool(), "writing").await,
        ExportStatus::Completed => row.insert_with_object(database.pool(), "kept").await,
        ExportStatus::Pending | ExportStatus::Failed | ExportStatus::Expired => {
            row.insert(database.pool()).await
        }
    };
    let before = whole(database, id).await;
    let said = step.attempt(storage, &row).await;
    let changed = whole(database, id).await != before;

    // A completion repeated with the same lease returns the result of the first one.
    let is_repeated = (from, step) == (ExportStatus::Completed, Step::Complete);
    assert_eq!(said, changed || is_repeated, "{case} and its answer");
    let export = storage.get_export(&project(), ExportId(id)).await.unwrap();
    let now = export.unwrap().state.status();
    // The row of this case reads as expired by its expiry time, before its column changes.
    if changed || step == Step::ExpireDue && from == ExportStatus::Completed {
        assert_eq!(now, step.leads_to(), "{case}");
    } else {
        assert_eq!(now, from, "{case}");
    }
    database
        .execute("DELETE FROM exports; DELETE FROM export_objects")
        .await;
    changed
}

/// The stored rows of an export.
async fn whole(database: &TestDatabase, id: Uuid) -> String {
    let objects = database
        .value("SELECT coalesce(json_agg(o ORDER BY key)::text, '') FROM export_objects o")
        .await;
    format!("{} {objects}", database.export_row(id).await.unwrap())
}

#[tokio::test]
async fn no_transition_changes_another_export() {
    let database = database().await;
    let storage = database.storage();
    for &from in ExportStatus::ALL {
        for step in Step::ALL {
            // The bystander is in the same state and held by another token; no sweep is due for it.
            let bystander = ExportRow::of(PROJECT, from)
                .with_ago("due_at", TimeDelta::hours(-1))
                .insert(database.pool())
                .await;
            let row = step.inviting_row(from);
            row.insert(database.pool()).await;
            let before = whole(&database, bystander).await;
            step.attempt(&storage, &row).await;
            let after = database.export_row(bystander).await.unwrap();
            assert!(before.starts_with(&after), "{step:?} of {from}");
            database
                .execute("DELETE FROM exports; DELETE FROM export_objects")
                .await;
        }
    }
}
