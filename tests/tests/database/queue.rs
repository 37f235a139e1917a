//! The depth of the queue.

use std::time::Duration;

use chrono::TimeDelta;
use exports_database::QueueState;
use exports_domain::ExportStatus::{Completed, Expired, Failed, Pending, Processing};
use exports_tests::ExportRow;

use crate::support::{PROJECT, database};

fn holds(state: QueueState, exports: u64, oldest_seconds: u64) {
    assert_eq!(state.exports, exports, "{state:?}");
    let oldest = Duration::from_secs(oldest_seconds);
    let age = state.oldest_age;
    assert!(
        age >= oldest && age < oldest + Duration::from_mins(1),
        "{state:?}"
    );
}

#[tokio::test]
async fn the_queue_is_counted_by_state_with_the_age_of_the_oldest() {
    let database = database().await;
    let ago = |status, column, minutes| {
        ExportRow::of(PROJECT, status).with_ago(column, TimeDelta::minutes(minutes))
    };
    let rows = [
        ago(Pending, "due_at", 10),
        ago(Pending, "due_at", 20),
        // Delayed before a retry, created long ago.
        ago(Pending, "due_at", -5).with_ago("created_at", TimeDelta::minutes(70)),
        ago(Processing, "started_at", 55).with_ago("created_at", TimeDelta::minutes(90)),
        // An export with an expired lease counts as processing, not as pending.
        ago(Processing, "lease_expires_at", 1),
        ago(Processing, "started_at", 0),
        ExportRow::of(PROJECT, Completed),
        ExportRow::of(PROJECT, Failed),
        ExportRow::of(PROJECT, Expired),
    ];
    for row in &rows {
        row.insert(database.pool()).await;
    }

    let depth = database.storage().queue_depth().await.unwrap();

    holds(depth.pending, 2, 20 * 60);
    holds(depth.retrying, 1, 70 * 60);
    holds(depth.processing, 3, 55 * 60);
}

#[tokio::test]
async fn an_empty_queue_has_zero_exports_and_age_zero() {
    let depth = database().await.storage().queue_depth().await.unwrap();
    for state in [depth.pending, depth.retrying, depth.processing] {
        assert_eq!((state.exports, state.oldest_age), (0, Duration::ZERO));
    }
}
