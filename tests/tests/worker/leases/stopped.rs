//! A worker that is stopped past its lease and resumed changes nothing and leaves nothing.
//!
//! SIGSTOP stops it, so it does not see that another worker has completed its export. Its connections are open, its requests can
//! be half sent, and its clock has not advanced.

use exports_domain::{Direction, ExportId};
use exports_tests::s3::{Fault, Kind, Seen};
use exports_tests::{TIMEOUT, eventually};

use crate::rows::put_large;
use crate::support::{Fixture, Worker, everything, on_every_bucket, on_every_store};

const LEASE: (&str, &str) = ("EXPORTS_LEASE", "2s");

#[tokio::test(flavor = "multi_thread")]
async fn stopped_before_it_has_stored_anything() {
    on_every_store(async |fixture| {
        let (mut stopped, source) = fixture.worker_behind_a_proxy(&[LEASE]).await;
        fixture.insert_one_message().await;
        source.hold();
        let id = fixture.queue_full_export().await;
        fixture.wait_for_column(id, "status", "processing").await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        source.restore();

        goes_on_for_nothing(fixture, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_middle_of_its_file() {
    on_every_store(async |fixture| {
        let (mut stopped, source) = fixture.worker_that_gets_stuck(&[LEASE]).await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        source.restore();

        goes_on_for_nothing(fixture, &mut stopped, id, &row).await;
        assert!(fixture.read_file(id).await == expected);
    })
    .await;
}

// The rest stop a request on its way to the store. A folder has no such way: writing to it is one
// call of the operating system after the other, in the worker's own process.

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_its_only_put_is_under_way() {
    on_every_bucket(async |fixture| {
        fixture.insert_one_message().await;
        let mut stopped = fixture.start_worker(&[LEASE]);
        let held = fixture.s3().inject(first_attempt(Kind::Put), Fault::Hold);
        let id = fixture.queue_full_export().await;
        held.reached(1).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        // The stopped worker's file arrives after all.
        drop(held);
        two_files_lie_in_the_store(fixture).await;

        goes_on_for_nothing(fixture, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_it_begins_its_upload() {
    on_every_bucket(async |fixture| {
        put_large(fixture.database(), 120).await;
        let mut stopped = fixture.start_worker(&[LEASE]);
        let held = fixture
            .s3()
            .inject(first_attempt(Kind::CreateUpload), Fault::Hold);
        let id = fixture.queue_full_export().await;
        held.reached(1).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        // An upload that is recorded nowhere.
        drop(held);
        eventually("an upload has begun", TIMEOUT, async || {
            (fixture.s3().uploads() == 1).then_some(())
        })
        .await;

        goes_on_for_nothing(fixture, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_before_it_completes_its_upload() {
    on_every_bucket(async |fixture| {
        let expected = put_large(fixture.database(), 120).await;
        let mut stopped = fixture.start_worker(&[LEASE]);
        let held = fixture
            .s3()
            .inject(first_attempt(Kind::PutPart), Fault::Hold);
        let id = fixture.queue_full_export().await;
        // Both parts are under way: what comes next is to put them together.
        held.reached(2).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        drop(held);

        goes_on_for_nothing(fixture, &mut stopped, id, &row).await;
        assert!(fixture.read_file(id).await == expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_it_completes_its_upload() {
    on_every_bucket(async |fixture| {
        let expected = put_large(fixture.database(), 120).await;
        let mut stopped = fixture.start_worker(&[LEASE]);
        let held = fixture
            .s3()
            .inject(first_attempt(Kind::CompleteUpload), Fault::Hold);
        let id = fixture.queue_full_export().await;
        held.reached(1).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        drop(held);
        the_late_upload_is_over(fixture).await;

        goes_on_for_nothing(fixture, &mut stopped, id, &row).await;
        assert!(fixture.read_file(id).await == expected);
    })
    .await;
}

/// Requests about the file of an export's first attempt.
fn first_attempt(kind: Kind) -> impl Fn(&Seen) -> bool + Send + Sync {
    move |seen| seen.kind == kind && seen.key.contains("/1-")
}

/// Starts another worker and waits until it has completed the export. Gives the export's row.
async fn another_worker_finishes(fixture: &Fixture, id: ExportId) -> (Worker, String) {
    let winner = fixture.start_worker(&[LEASE]);
    assert!(fixture.wait_until_completed(id).await.row_count > 0);
    assert_eq!(fixture.export(id).await.attempt, 2);
    (winner, fixture.export_row(id).await)
}

async fn two_files_lie_in_the_store(fixture: &Fixture) {
    eventually("two files lie in the store", TIMEOUT, async || {
        (fixture.store_listing().len() == 2).then_some(())
    })
    .await;
}

/// The store has done what the stopped worker asked for. Whether its file lies there now depends on
/// whether a janitor looked before or after.
async fn the_late_upload_is_over(fixture: &Fixture) {
    eventually("no upload is open", TIMEOUT, async || {
        (fixture.s3().uploads() == 0).then_some(())
    })
    .await;
}

/// Lets the stopped worker go on, until it has seen what happened: the export's row is as it was,
/// the store has the winner's file alone, and both workers go on with other exports.
async fn goes_on_for_nothing(fixture: &Fixture, stopped: &mut Worker, id: ExportId, row: &str) {
    stopped.resume();
    stopped.wait_for_line("the lease was lost").await;
    fixture.wait_for_files_of(&[id]).await;
    assert_eq!(fixture.export_row(id).await, row);
    let inbound = || fixture.queue_export(everything(Direction::Inbound));
    let ids = [id, inbound().await, inbound().await, inbound().await];
    for id in ids {
        fixture.read_file(id).await;
    }
    fixture.wait_for_files_of(&ids).await;
    assert_eq!(fixture.export_row(id).await, row);
}
