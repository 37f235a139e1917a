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
async fn a_worker_resumed_before_its_upload_changes_nothing() {
    on_every_store(async |fixture| {
        let (mut stopped, source) = fixture.worker_behind_a_proxy(&[LEASE]).await;
        fixture.insert_one_message().await;
        source.hold();
        let id = fixture.queue_full_export().await;
        fixture.wait_for_column(id, "status", "processing").await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        source.restore();

        assert_resumed_worker_changes_nothing(fixture, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_resumed_during_its_upload_changes_nothing() {
    on_every_store(async |fixture| {
        let (mut stopped, source) = fixture.worker_that_gets_stuck(&[LEASE]).await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        source.restore();

        assert_resumed_worker_changes_nothing(fixture, &mut stopped, id, &row).await;
        assert!(fixture.read_file(id).await == expected);
    })
    .await;
}

// The tests below hold a request on its way to the store. This is impossible for a folder, which the worker writes with system calls.

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_resumed_during_its_put_changes_nothing() {
    on_every_bucket(async |fixture| {
        fixture.insert_one_message().await;
        let mut stopped = fixture.start_worker(&[LEASE]);
        let held = fixture.s3().inject(first_attempt(Kind::Put), Fault::Hold);
        let id = fixture.queue_full_export().await;
        held.reached(1).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        // The file of the stopped worker arrives late.
        drop(held);
        wait_for_two_files_in_the_store(fixture).await;

        assert_resumed_worker_changes_nothing(fixture, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_resumed_while_it_creates_its_upload_changes_nothing() {
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
        // Creates an upload that is not recorded.
        drop(held);
        eventually("an upload is open", TIMEOUT, async || {
            (fixture.s3().uploads() == 1).then_some(())
        })
        .await;

        assert_resumed_worker_changes_nothing(fixture, &mut stopped, id, &row).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_resumed_before_it_completes_its_upload_changes_nothing() {
    on_every_bucket(async |fixture| {
        let expected = put_large(fixture.database(), 120).await;
        let mut stopped = fixture.start_worker(&[LEASE]);
        let held = fixture
            .s3()
            .inject(first_attempt(Kind::PutPart), Fault::Hold);
        let id = fixture.queue_full_export().await;
        // Both parts are being sent. The next request would complete the upload.
        held.reached(2).await;
        stopped.pause().await;

        let (_winner, row) = another_worker_finishes(fixture, id).await;
        drop(held);

        assert_resumed_worker_changes_nothing(fixture, &mut stopped, id, &row).await;
        assert!(fixture.read_file(id).await == expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_resumed_while_it_completes_its_upload_changes_nothing() {
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
        wait_until_no_upload_is_open(fixture).await;

        assert_resumed_worker_changes_nothing(fixture, &mut stopped, id, &row).await;
        assert!(fixture.read_file(id).await == expected);
    })
    .await;
}

/// Matches requests for the file of the first attempt.
fn first_attempt(kind: Kind) -> impl Fn(&Seen) -> bool + Send + Sync {
    move |seen| seen.kind == kind && seen.key.contains("/1-")
}

/// Starts another worker and waits until it has completed the export. Returns the worker and the row of the export.
async fn another_worker_finishes(fixture: &Fixture, id: ExportId) -> (Worker, String) {
    let winner = fixture.start_worker(&[LEASE]);
    assert!(fixture.wait_until_completed(id).await.row_count > 0);
    assert_eq!(fixture.export(id).await.attempt, 2);
    (winner, fixture.export_row(id).await)
}

async fn wait_for_two_files_in_the_store(fixture: &Fixture) {
    eventually("two files are in the store", TIMEOUT, async || {
        (fixture.store_listing().len() == 2).then_some(())
    })
    .await;
}

/// Waits until the store has executed the request of the stopped worker. Whether its file still exists depends on when the janitor ran.
async fn wait_until_no_upload_is_open(fixture: &Fixture) {
    eventually("no upload is open", TIMEOUT, async || {
        (fixture.s3().uploads() == 0).then_some(())
    })
    .await;
}

/// Resumes the stopped worker and waits until it sees that its lease was lost. The row of the export must not change, the store must
/// have only the winner's file, and later exports must complete.
async fn assert_resumed_worker_changes_nothing(
    fixture: &Fixture,
    stopped: &mut Worker,
    id: ExportId,
    row: &str,
) {
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
