//! A worker that is told to stop finishes what it can and gives the rest back.

use std::time::Duration;

use exports_tests::TIMEOUT;
use nix::sys::signal::Signal;

use crate::rows::put_large;
use crate::workshop::{Workshop, on_every_store};

/// Well below every grace period but the shortest.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_nothing_to_do_stops_at_once() {
    on_every_store(async |shop| {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let mut worker = shop.worker(&[]);
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
async fn what_can_finish_within_the_grace_period_does() {
    on_every_store(async |shop| {
        // The lease is shorter than what follows: it is kept alive while the worker stops.
        let (mut worker, source) = shop
            .worker_that_gets_stuck(&[("EXPORTS_LEASE", "2s")])
            .await;
        let expected = put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;

        worker.terminate();
        worker.wait_for_line("stopping").await;
        let next = shop.ask_for_all().await;
        exports_tests::holds_within("the worker goes on", Duration::from_secs(3), async || {
            shop.database.export_column(id.0, "status").await == "processing"
        })
        .await;
        source.restore();

        assert_eq!(worker.wait().await.code(), Some(0));
        assert!(shop.file(id).await == expected);
        assert_eq!(shop.export(id).await.attempt, 1);
        assert_eq!(
            shop.database.export_column(next.0, "status").await,
            "pending",
            "no more claims"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_finish_within_the_grace_period_is_given_back() {
    on_every_store(async |shop| {
        let (mut worker, _source) = shop
            .worker_that_gets_stuck(&[("EXPORTS_SHUTDOWN_GRACE", "1s")])
            .await;
        let expected = put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;

        worker.terminate();

        assert_eq!(worker.wait_for(TIMEOUT).await.code(), Some(0));
        is_given_back(shop, id).await;
        let _next = shop.worker(&[]);
        assert!(shop.file(id).await == expected);
        assert_eq!(
            shop.export(id).await.attempt,
            1,
            "the attempt was given back"
        );
        shop.holds_only(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_grace_period() {
    on_every_store(async |shop| {
        let (mut worker, _source) = shop
            .worker_that_gets_stuck(&[("EXPORTS_SHUTDOWN_GRACE", "10m")])
            .await;
        put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;

        worker.terminate();
        worker.wait_for_line("stopping").await;
        worker.terminate();

        assert_eq!(worker.wait_for(AT_ONCE).await.code(), Some(0));
        is_given_back(shop, id).await;
    })
    .await;
}

/// Pending as if nobody had ever taken it, and nothing of it in the store.
async fn is_given_back(shop: &Workshop, id: exports_domain::ExportId) {
    let sql = format!(
        "SELECT status, attempt, started_at, lease_owner, lease_expires_at, attempt_error, due_at = created_at AS is_due
         FROM exports WHERE id = '{id}'"
    );
    let expected = serde_json::json!({
        "status": "pending", "attempt": 0, "started_at": null, "lease_owner": null,
        "lease_expires_at": null, "attempt_error": null, "is_due": true,
    });
    assert_eq!(shop.database.rows(&sql).await, [expected]);
    shop.holds_nothing().await;
}
