//! Workers share the queue, and keep the lease of an export while they process it.

use std::collections::HashSet;
use std::time::Duration;

use exports_tests::{TIMEOUT, eventually, holds_within};

use crate::rows::{OUTBOUND_HEADER, put_large};
use crate::support::{Worker, on_every_store};

const EXPORTS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_process_each_of_200_exports_once() {
    on_every_store(async |fixture| {
        fixture.insert_one_message().await;
        let mut workers = [fixture.start_worker(&[]), fixture.start_worker(&[])];
        for worker in &mut workers {
            worker.wait_for_event("worker started").await;
        }

        let mut ids = Vec::new();
        for _ in 0..EXPORTS {
            ids.push(fixture.queue_full_export().await);
        }
        let unfinished = "SELECT count(*) FROM exports WHERE status <> 'completed' OR attempt <> 1";
        eventually(
            "every export is completed at the first attempt",
            TIMEOUT,
            async || (fixture.database().value(unfinished).await == 0).then_some(()),
        )
        .await;

        // Each export has one file, and no second worker has begun one.
        fixture.wait_for_files_of(&ids).await;
        assert!(
            fixture
                .read_file(ids[EXPORTS - 1])
                .await
                .starts_with(OUTBOUND_HEADER.as_bytes())
        );
        let [one, other] = &workers.each_ref().map(completed_by);
        assert!(
            !one.is_empty() && !other.is_empty(),
            "{} and {}",
            one.len(),
            other.len()
        );
        assert!(one.is_disjoint(other), "an export was completed twice");
        assert_eq!(one.len() + other.len(), EXPORTS);
        let objects = "SELECT count(*) FROM export_objects WHERE state = 'kept'";
        assert_eq!(fixture.database().value(objects).await, EXPORTS);
    })
    .await;
}

/// The exports that a worker has completed according to its log.
fn completed_by(worker: &Worker) -> HashSet<String> {
    let events = worker.events().into_iter();
    let completed = events.filter(|event| event["message"] == "export completed");
    completed
        .map(|event| event["span"]["export.id"].to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_longer_than_its_lease_stays_with_its_worker() {
    on_every_store(async |fixture| {
        let lease = ("EXPORTS_LEASE", "2s");
        let (_slow, source) = fixture.worker_that_gets_stuck(&[lease]).await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;

        let _eager = fixture.start_worker(&[lease]);
        let token = fixture.database().export_column(id.0, "lease_token").await;
        holds_within(
            "the worker keeps the lease",
            Duration::from_millis(4500),
            async || fixture.database().export_column(id.0, "lease_token").await == token,
        )
        .await;
        source.restore();

        assert!(fixture.read_file(id).await == expected);
        assert_eq!(fixture.export(id).await.attempt, 1);
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}
