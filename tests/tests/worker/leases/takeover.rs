//! A worker that is gone is replaced when its lease ends.

use std::time::Duration;

use crate::rows::put_large;
use crate::workshop::{Workshop, on_every_store};

const LEASE: (&str, &str) = ("EXPORTS_LEASE", "2s");

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_mid_file_is_replaced_when_its_lease_ends() {
    on_every_store(async |shop| {
        let (mut killed, _source) = shop.worker_that_gets_stuck(&[LEASE]).await;
        let expected = put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;
        if shop.folder().is_none() {
            assert_eq!(shop.s3().uploads(), 1, "there is something to take back");
        }
        let mut next = shop.worker(&[LEASE]);
        next.wait_for_event("worker started").await;

        killed.kill().await;
        assert_eq!(
            shop.database.export_column(id.0, "status").await,
            "processing"
        );

        assert!(shop.file(id).await == expected);
        assert_eq!(shop.export(id).await.attempt, 2);
        // A janitor removes what the killed worker has begun.
        shop.holds_only(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_waits_for_the_end_of_the_lease() {
    on_every_store(async |shop| {
        let (mut killed, source) = shop.worker_behind_a_proxy(&[("EXPORTS_LEASE", "3s")]).await;
        shop.put_one().await;
        source.hold();
        let id = shop.ask_for_all().await;
        shop.column_is(id, "status", "processing").await;
        killed.kill().await;
        let until = shop.database.export_column(id.0, "lease_expires_at").await;
        let _next = shop.worker(&[]);

        shop.file(id).await;

        let until = until.as_str().expect("a time");
        let later = format!("SELECT started_at >= '{until}' FROM exports WHERE id = '{id}'");
        assert_eq!(shop.database.value(&later).await, true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_worker_stores_after_a_janitor_came_by_goes_an_hour_later() {
    on_every_store(async |shop| {
        let (mut killed, source) = shop.worker_behind_a_proxy(&[LEASE]).await;
        shop.put_one().await;
        source.hold();
        let id = shop.ask_for_all().await;
        shop.column_is(id, "status", "processing").await;
        let writing = "SELECT key FROM export_objects WHERE state = 'writing'";
        let late = shop.database.value(writing).await;
        let late = late.as_str().expect("the claim recorded its key");
        killed.kill().await;
        let _next = shop.janitors(&[LEASE]).await;
        shop.file(id).await;

        let left = format!("SELECT sweeps_left FROM export_objects WHERE key = '{late}'");
        shop.sweep().await;
        eventually_value(shop, &left, 1).await;
        // Its request arrives only now.
        let headers = exports_objects::FileHeaders::attachment("late.csv");
        let stored = shop.open_store().put(late, "late".into(), &headers).await;
        stored.expect("the late file is stored");
        assert_eq!(shop.listing().len(), 2);

        // An hour passes.
        shop.sweep().await;
        shop.holds_only(&[id]).await;
        let rows = "SELECT count(*) FROM export_objects WHERE state = 'doomed'";
        eventually_value(shop, rows, 0).await;
    })
    .await;
}

async fn eventually_value(shop: &Workshop, sql: &str, value: i64) {
    exports_tests::eventually(
        &format!("{sql} gives {value}"),
        Duration::from_secs(30),
        async || (shop.database.value(sql).await == value).then_some(()),
    )
    .await;
}
