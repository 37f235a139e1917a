//! A distant object store: how many parts of an upload are sent at the same time.

use std::time::Duration;

use exports_database::Canceled;
use exports_domain::{ExportId, FailureCode};
use exports_sandbox::distance::{Distance, DistantServer};
use exports_tests::s3::{Fault, Kind};
use exports_tests::{StoreKind, TIMEOUT, Worker, eventually};

use crate::rows::put_large;
use crate::support::Fixture;

/// A line on which a part of 8 MiB takes two seconds: much longer than its rows need.
const LINE: Distance = Distance {
    round_trip: Duration::from_millis(100),
    bytes_per_second: Some(4_000_000),
};
/// Seven parts.
const MESSAGES: u32 = 560;

/// A fixture, and a worker whose store is at the end of the line.
async fn distant(variables: &[(&str, &str)]) -> (Fixture, DistantServer, Worker) {
    let fixture = Fixture::without_services(StoreKind::S3).await;
    let line = DistantServer::start(fixture.s3().address(), LINE)
        .await
        .expect("a free port");
    let endpoint = format!("http://{}", line.address());
    let variables = [variables, &[("AWS_ENDPOINT_URL", endpoint.as_str())]].concat();
    let mut worker = fixture.start_worker(&variables);
    worker.wait_for_event("worker started").await;
    (fixture, line, worker)
}

/// Exports, and returns the most parts that the server has received at the same time.
async fn parts_at_once(memory: &str) -> usize {
    let (fixture, _line, _worker) = distant(&[("EXPORTS_UPLOAD_MEMORY", memory)]).await;
    let expected = put_large(fixture.database(), MESSAGES).await;
    let id = fixture.queue_full_export().await;
    assert!(fixture.read_file(id).await == expected);
    assert_eq!(fixture.s3().count(Kind::PutPart), 7);
    fixture.s3().most_at_once(Kind::PutPart)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distant_store_receives_as_many_parts_at_once_as_fit_into_the_memory() {
    let parts = parts_at_once("64MiB").await;
    // One part of the eight is being filled.
    assert!((3..=7).contains(&parts), "{parts} parts at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_least_memory_a_distant_store_receives_one_part_at_a_time() {
    assert_eq!(parts_at_once("16MiB").await, 1);
}

async fn wait_for_parts_at_once(fixture: &Fixture) {
    eventually("more than two parts at once", TIMEOUT, async || {
        (fixture.s3().most_at_once(Kind::PutPart) > 2).then_some(())
    })
    .await;
}

async fn queue(fixture: &Fixture) -> ExportId {
    put_large(fixture.database(), MESSAGES).await;
    fixture.queue_full_export().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_aborts_an_upload_with_many_parts_in_flight() {
    let (fixture, _line, mut worker) = distant(&[]).await;
    let id = queue(&fixture).await;
    wait_for_parts_at_once(&fixture).await;
    let canceled = fixture
        .storage()
        .cancel_export(fixture.project_id(), id, "Canceled by the test.")
        .await;
    assert!(matches!(canceled, Ok(Canceled::Now(_))), "{canceled:?}");
    worker
        .wait_for_event("the export was canceled, the work stops")
        .await;
    fixture.wait_for_empty_store().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_part_aborts_an_upload_with_many_parts_in_flight() {
    let (fixture, _line, _worker) = distant(&[("EXPORTS_MAX_ATTEMPTS", "1")]).await;
    let id = queue(&fixture).await;
    wait_for_parts_at_once(&fixture).await;
    let refusing = fixture
        .s3()
        .inject(|seen| seen.kind == Kind::PutPart, Fault::Answer(403));
    let failure = fixture.wait_until_failed(id).await;
    assert_eq!(failure.code, FailureCode::StorageUnavailable);
    assert!(refusing.hits() > 0);
    fixture.wait_for_empty_store().await;
}
