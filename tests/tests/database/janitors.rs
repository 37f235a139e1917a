//! Concurrent janitors do each piece of work once.

use std::collections::HashSet;

use exports_database::{Database, PendingDeletion};
use exports_domain::ExportId;
use exports_domain::ExportStatus::Processing;
use exports_tests::ExportRow;

use crate::support::{PROJECT, database, failure};
use crate::sweeps::{doom, over};

/// Runs eight janitors at the same time, each until it finds no more work.
async fn janitors<T: Send + 'static>(storage: &Database, sweep: impl AsyncJanitor<T>) -> Vec<T> {
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (storage, sweep) = (storage.clone(), sweep.clone());
            tokio::spawn(async move {
                let mut found = Vec::new();
                loop {
                    let more = sweep.sweep(&storage).await;
                    if more.is_empty() {
                        return found;
                    }
                    found.extend(more);
                }
            })
        })
        .collect();
    let mut found = Vec::new();
    for task in tasks {
        found.extend(task.await.unwrap());
    }
    found
}

/// One sweep of a few rows.
trait AsyncJanitor<T>: Clone + Send + 'static {
    fn sweep(&self, storage: &Database) -> impl Future<Output = Vec<T>> + Send;
}

#[derive(Clone)]
struct Expiry;

impl AsyncJanitor<ExportId> for Expiry {
    async fn sweep(&self, storage: &Database) -> Vec<ExportId> {
        storage.expire_due(7).await.unwrap()
    }
}

#[derive(Clone)]
struct Exhausted;

impl AsyncJanitor<ExportId> for Exhausted {
    async fn sweep(&self, storage: &Database) -> Vec<ExportId> {
        storage.fail_exhausted(3, &failure(), 7).await.unwrap()
    }
}

#[derive(Clone)]
struct Doomed;

impl AsyncJanitor<PendingDeletion> for Doomed {
    async fn sweep(&self, storage: &Database) -> Vec<PendingDeletion> {
        storage.take_pending_deletions(7).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_janitors_expire_each_export_once() {
    let database = database().await;
    for _ in 0..100 {
        over().insert_with_object(database.pool(), "kept").await;
    }
    let expired = janitors(&database.storage(), Expiry).await;
    assert_eq!(expired.len(), 100);
    assert_eq!(expired.iter().collect::<HashSet<_>>().len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_janitors_fail_each_exhausted_export_once() {
    let database = database().await;
    for _ in 0..50 {
        let row = ExportRow::of(PROJECT, Processing).with("attempt", 3);
        row.lease_ended().insert(database.pool()).await;
    }
    let failed = janitors(&database.storage(), Exhausted).await;
    assert_eq!(failed.len(), 50);
    assert_eq!(failed.iter().collect::<HashSet<_>>().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_janitors_take_each_pending_deletion_once() {
    let database = database().await;
    doom(&database, 100, 2).await;
    let taken = janitors(&database.storage(), Doomed).await;
    assert_eq!(taken.len(), 100);
    let keys: HashSet<_> = taken.iter().map(|object| &object.key).collect();
    assert_eq!(keys.len(), 100);
    assert!(taken.iter().all(|object| object.upload_id.is_some()));
}
