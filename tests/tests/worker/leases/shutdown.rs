//! At SIGTERM a worker finishes what it can and releases the rest.

use std::time::Duration;

use exports_tests::TIMEOUT;
use nix::sys::signal::Signal;

use crate::rows::put_large;
use crate::support::{Fixture, on_every_store};

/// Well below every grace period except the shortest.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_stops_immediately() {
    on_every_store(async |fixture| {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let mut worker = fixture.start_worker(&[]);
            worker.wait_for_event("worker started").await;
            worker.signal(signal);
            let status = worker.wait_for(AT_ONCE).await;
            assert_eq!(status.code(), Some(0));
            worker.wait_for_event("worker stopped").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_export_completes_within_the_grace_period() {
    on_every_store(async |fixture| {
        // The lease is shorter than the shutdown, so the worker must extend it while it stops.
        let (mut worker, source) = fixture
            .worker_that_gets_stuck(&[("EXPORTS_LEASE", "2s")])
            .await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;

        worker.terminate();
        worker.wait_for_line("stopping").await;
        let next = fixture.queue_full_export().await;
        exports_tests::holds_within("the worker continues", Duration::from_secs(3), async || {
            fixture.database().export_column(id.0, "status").await == "processing"
        })
        .await;
        source.restore();

        assert_eq!(worker.wait().await.code(), Some(0));
        assert!(fixture.read_file(id).await == expected);
        assert_eq!(fixture.export(id).await.attempt, 1);
        assert_eq!(
            fixture.database().export_column(next.0, "status").await,
            "pending",
            "a stopping worker claims nothing"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_exceeds_the_grace_period_is_released() {
    on_every_store(async |fixture| {
        let (mut worker, _source) = fixture
            .worker_that_gets_stuck(&[("EXPORTS_SHUTDOWN_GRACE", "1s")])
            .await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;

        worker.terminate();

        assert_eq!(worker.wait_for(TIMEOUT).await.code(), Some(0));
        assert_released(fixture, id).await;
        let _next = fixture.start_worker(&[]);
        assert!(fixture.read_file(id).await == expected);
        assert_eq!(
            fixture.export(id).await.attempt,
            1,
            "the release restored the attempt"
        );
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_grace_period() {
    on_every_store(async |fixture| {
        let (mut worker, _source) = fixture
            .worker_that_gets_stuck(&[("EXPORTS_SHUTDOWN_GRACE", "10m")])
            .await;
        put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;

        worker.terminate();
        worker.wait_for_line("stopping").await;
        worker.terminate();

        assert_eq!(worker.wait_for(AT_ONCE).await.code(), Some(0));
        assert_released(fixture, id).await;
    })
    .await;
}

/// Fails unless the export is pending as before the claim. Waits until the store is empty.
async fn assert_released(fixture: &Fixture, id: exports_domain::ExportId) {
    let sql = format!(
        "SELECT status, attempt, started_at, lease_owner, lease_expires_at, attempt_error, due_at = created_at AS is_due
         FROM exports WHERE id = '{id}'"
    );
    let expected = serde_json::json!({
        "status": "pending", "attempt": 0, "started_at": null, "lease_owner": null,
        "lease_expires_at": null, "attempt_error": null, "is_due": true,
    });
    assert_eq!(fixture.database().rows(&sql).await, [expected]);
    fixture.wait_for_empty_store().await;
}
