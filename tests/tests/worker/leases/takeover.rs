//! Another worker takes over when the lease of a lost worker expires.

use std::time::Duration;

use crate::rows::put_large;
use crate::support::{Fixture, on_every_store};

const LEASE: (&str, &str) = ("EXPORTS_LEASE", "2s");

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_killed_worker_is_taken_over_when_the_lease_expires() {
    on_every_store(async |fixture| {
        let (mut killed, _source) = fixture.worker_that_gets_stuck(&[LEASE]).await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;
        if fixture.store_folder().is_none() {
            assert_eq!(fixture.s3().uploads(), 1, "there is an upload to abort");
        }
        let mut next = fixture.start_worker(&[LEASE]);
        next.wait_for_event("worker started").await;

        killed.kill().await;
        assert_eq!(
            fixture.database().export_column(id.0, "status").await,
            "processing"
        );

        assert!(fixture.read_file(id).await == expected);
        assert_eq!(fixture.export(id).await.attempt, 2);
        // A janitor removes the incomplete file of the killed worker.
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_waits_until_the_lease_expires() {
    on_every_store(async |fixture| {
        let (mut killed, source) = fixture
            .worker_behind_a_proxy(&[("EXPORTS_LEASE", "3s")])
            .await;
        fixture.insert_one_message().await;
        source.hold();
        let id = fixture.queue_full_export().await;
        fixture.wait_for_column(id, "status", "processing").await;
        killed.kill().await;
        let until = fixture
            .database()
            .export_column(id.0, "lease_expires_at")
            .await;
        let _next = fixture.start_worker(&[]);

        fixture.read_file(id).await;

        let until = until.as_str().expect("a time");
        let later = format!("SELECT started_at >= '{until}' FROM exports WHERE id = '{id}'");
        assert_eq!(fixture.database().value(&later).await, true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_stored_after_a_sweep_is_deleted_by_a_sweep_an_hour_later() {
    on_every_store(async |fixture| {
        let (mut killed, source) = fixture.worker_behind_a_proxy(&[LEASE]).await;
        fixture.insert_one_message().await;
        source.hold();
        let id = fixture.queue_full_export().await;
        fixture.wait_for_column(id, "status", "processing").await;
        let writing = "SELECT key FROM export_objects WHERE state = 'writing'";
        let late = fixture.database().value(writing).await;
        let late = late.as_str().expect("the claim recorded its key");
        killed.kill().await;
        let _next = fixture.janitors(&[LEASE]).await;
        fixture.read_file(id).await;

        let left = format!("SELECT sweeps_left FROM export_objects WHERE key = '{late}'");
        fixture.wait_for_sweep().await;
        eventually_value(fixture, &left, 1).await;
        // The request of the killed worker arrives only now.
        let headers =
            exports_objects::FileHeaders::attachment("late.csv", "text/csv; charset=utf-8");
        let stored = fixture
            .open_store()
            .put(late, "late".into(), &headers)
            .await;
        stored.expect("the late file is stored");
        assert_eq!(fixture.store_listing().len(), 2);

        // Simulates an hour.
        fixture.wait_for_sweep().await;
        fixture.wait_for_files_of(&[id]).await;
        let rows = "SELECT count(*) FROM export_objects WHERE state = 'doomed'";
        eventually_value(fixture, rows, 0).await;
    })
    .await;
}

async fn eventually_value(fixture: &Fixture, sql: &str, value: i64) {
    exports_tests::eventually(
        &format!("{sql} gives {value}"),
        Duration::from_secs(30),
        async || (fixture.database().value(sql).await == value).then_some(()),
    )
    .await;
}
