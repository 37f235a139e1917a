//! A worker that was stopped past its lease and goes on changes nothing and leaves nothing.
//!
//! Stopped by SIGSTOP, it cannot know that another one has finished its export meanwhile: its
//! connections are open, its requests may be half-way, its clock stands at the moment before.

use exports_domain::{Direction, ExportId};
use exports_tests::s3::{Fault, Kind, Seen};
use exports_tests::{TIMEOUT, eventually};

use crate::rows::put_large;
use crate::workshop::{Worker, Workshop, everything, on_every_bucket, on_every_store};

const LEASE: (&str, &str) = ("EXPORTS_LEASE", "2s");

#[tokio::test(flavor = "multi_thread")]
async fn stopped_before_it_has_stored_anything() {
    on_every_store(async |shop| {
        let (mut stopped, source) = shop.worker_behind_a_proxy(&[LEASE]).await;
        shop.put_one().await;
        source.hold();
        let id = shop.ask_for_all().await;
        shop.column_is(id, "status", "processing").await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(shop, id).await;
        source.restore();

        goes_on_for_nothing(shop, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_middle_of_its_file() {
    on_every_store(async |shop| {
        let (mut stopped, source) = shop.worker_that_gets_stuck(&[LEASE]).await;
        let expected = put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(shop, id).await;
        source.restore();

        goes_on_for_nothing(shop, &mut stopped, id, &row).await;
        assert!(shop.file(id).await == expected);
    })
    .await;
}

// The rest stop a request on its way to the store. A folder has no such way: writing to it is one
// call of the operating system after the other, in the worker's own process.

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_its_only_put_is_under_way() {
    on_every_bucket(async |shop| {
        shop.put_one().await;
        let mut stopped = shop.worker(&[LEASE]);
        let held = shop.s3().inject(first_attempt(Kind::Put), Fault::Hold);
        let id = shop.ask_for_all().await;
        held.reached(1).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(shop, id).await;
        // The stopped worker's file arrives after all.
        drop(held);
        two_files_lie_in_the_store(shop).await;

        goes_on_for_nothing(shop, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_it_begins_its_upload() {
    on_every_bucket(async |shop| {
        put_large(&shop.database, 120).await;
        let mut stopped = shop.worker(&[LEASE]);
        let held = shop
            .s3()
            .inject(first_attempt(Kind::CreateUpload), Fault::Hold);
        let id = shop.ask_for_all().await;
        held.reached(1).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(shop, id).await;
        // An upload that is recorded nowhere.
        drop(held);
        eventually("an upload has begun", TIMEOUT, async || {
            (shop.s3().uploads() == 1).then_some(())
        })
        .await;

        goes_on_for_nothing(shop, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_before_it_completes_its_upload() {
    on_every_bucket(async |shop| {
        let expected = put_large(&shop.database, 120).await;
        let mut stopped = shop.worker(&[LEASE]);
        let held = shop.s3().inject(first_attempt(Kind::PutPart), Fault::Hold);
        let id = shop.ask_for_all().await;
        // Both parts are under way: what comes next is to put them together.
        held.reached(2).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(shop, id).await;
        drop(held);

        goes_on_for_nothing(shop, &mut stopped, id, &row).await;
        assert!(shop.file(id).await == expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_it_completes_its_upload() {
    on_every_bucket(async |shop| {
        let expected = put_large(&shop.database, 120).await;
        let mut stopped = shop.worker(&[LEASE]);
        let held = shop
            .s3()
            .inject(first_attempt(Kind::CompleteUpload), Fault::Hold);
        let id = shop.ask_for_all().await;
        held.reached(1).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(shop, id).await;
        drop(held);
        the_late_upload_is_over(shop).await;

        goes_on_for_nothing(shop, &mut stopped, id, &row).await;
        assert!(shop.file(id).await == expected);
    })
    .await;
}

/// Requests about the file of an export's first attempt.
fn first_attempt(kind: Kind) -> impl Fn(&Seen) -> bool + Send + Sync {
    move |seen| seen.kind == kind && seen.key.contains("/1-")
}

/// Starts another worker and waits until it has completed the export. Gives the export's row.
async fn another_worker_finishes(shop: &Workshop, id: ExportId) -> (Worker, String) {
    let winner = shop.worker(&[LEASE]);
    assert!(shop.completed(id).await.row_count > 0);
    assert_eq!(shop.export(id).await.attempt, 2);
    (winner, shop.row(id).await)
}

async fn two_files_lie_in_the_store(shop: &Workshop) {
    eventually("two files lie in the store", TIMEOUT, async || {
        (shop.listing().len() == 2).then_some(())
    })
    .await;
}

/// The store has done what the stopped worker asked for. Whether its file lies there now depends on
/// whether a janitor looked before or after.
async fn the_late_upload_is_over(shop: &Workshop) {
    eventually("no upload is open", TIMEOUT, async || {
        (shop.s3().uploads() == 0).then_some(())
    })
    .await;
}

/// Lets the stopped worker go on, until it has seen what happened: the export's row is as it was,
/// the store has the winner's file alone, and both workers go on with other exports.
async fn goes_on_for_nothing(shop: &Workshop, stopped: &mut Worker, id: ExportId, row: &str) {
    stopped.resume();
    stopped.wait_for_line("the lease was lost").await;
    shop.holds_only(&[id]).await;
    assert_eq!(shop.row(id).await, row);
    let inbound = || shop.ask(everything(Direction::Inbound));
    let ids = [id, inbound().await, inbound().await, inbound().await];
    for id in ids {
        shop.file(id).await;
    }
    shop.holds_only(&ids).await;
    assert_eq!(shop.row(id).await, row);
}
