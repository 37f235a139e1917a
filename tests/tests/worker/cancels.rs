//! Consumers cancel exports while workers run them.

use std::time::{Duration, Instant};

use exports_database::Canceled;
use exports_domain::{ExportId, ExportState, ExportStatus, FailureCode};
use exports_tests::{TIMEOUT, eventually};

use crate::rows::{put_large, put_many};
use crate::support::{Fixture, number, on_every_store};

const CANCELED: &str = "the export was canceled, the work stops";
/// Within this time after a cancel, nothing works on the export.
const QUIET: Duration = Duration::from_secs(2);
/// Longer than any test: no heartbeat comes by itself.
const LEASE: (&str, &str) = ("EXPORTS_LEASE", "10m");

async fn cancel(fixture: &Fixture, id: ExportId) -> Canceled {
    let canceled =
        fixture
            .storage()
            .cancel_export(fixture.project_id(), id, "Canceled by the test.");
    canceled.await.expect("the database answers")
}

/// How many statements read messages.
async fn copies(fixture: &Fixture) -> u64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY (%'";
    fixture
        .database()
        .value(sql)
        .await
        .as_u64()
        .expect("a count")
}

/// Waits until no statement reads messages, and returns after how long that was.
async fn wait_until_quiet(fixture: &Fixture, since: Instant) -> Duration {
    eventually("nothing reads the source", TIMEOUT, async || {
        (copies(fixture).await == 0).then_some(())
    })
    .await;
    since.elapsed()
}

/// The worker waits for the source, far from its next heartbeat, in the middle of an upload.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stops_within_two_seconds_and_leaves_nothing_in_the_store() {
    on_every_store(async |fixture| {
        let (mut worker, _source) = fixture.worker_that_gets_stuck(&[LEASE]).await;
        // More than what the buffers between server and worker take.
        put_large(fixture.database(), 400).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;
        assert!(copies(fixture).await > 0, "the COPY is in progress");

        let canceled_at = Instant::now();
        let canceled = cancel(fixture, id).await;
        assert!(matches!(canceled, Canceled::Now(_)), "{canceled:?}");
        let failure = fixture.wait_until_failed(id).await;
        assert_eq!(failure.code, FailureCode::Canceled);
        let quiet = wait_until_quiet(fixture, canceled_at).await;
        fixture.wait_for_empty_store().await;
        let empty = canceled_at.elapsed();
        assert!(quiet < QUIET && empty < QUIET, "{quiet:?}, {empty:?}");
        worker.wait_for_event(CANCELED).await;
        assert!(!worker.log().contains("the lease was lost"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_runs_the_next_export_after_a_cancel() {
    on_every_store(async |fixture| {
        let (mut worker, source) = fixture
            .worker_that_gets_stuck(&[LEASE, ("EXPORTS_CONCURRENCY", "1")])
            .await;
        let expected = put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;
        let next = fixture.queue_full_export().await;
        cancel(fixture, id).await;
        worker.wait_for_event(CANCELED).await;
        source.restore();
        assert!(fixture.read_file(next).await == expected);
        fixture.wait_for_files_of(&[next]).await;
    })
    .await;
}

/// `TEST_CANCEL_ROWS` and `TEST_CANCEL_ROUNDS` set the size of the exports and how many are canceled.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_canceled_at_any_moment_ends_in_one_way_and_has_a_file_only_if_completed() {
    let rows = number("TEST_CANCEL_ROWS", 60_000);
    let rounds = number("TEST_CANCEL_ROUNDS", 24);
    on_every_store(async |fixture| {
        let mut worker = fixture.start_worker(&[LEASE]);
        worker.wait_for_event("worker started").await;
        put_many(fixture, rows).await;
        let mut story = Story {
            fixture,
            completed: Vec::new(),
            whole: Duration::ZERO,
            slowest: Duration::ZERO,
        };
        // The first export of a worker takes longer.
        for _ in 0..2 {
            let id = fixture.queue_full_export().await;
            fixture.wait_until_completed(id).await;
            story.completed(id).await;
        }
        for round in 0..rounds {
            // Two thirds at any moment, one third about the time of the completion.
            let part: f64 = match round % 3 {
                0 => rand::random_range(0.85..1.15),
                _ => rand::random_range(0.0..1.05),
            };
            story.cancel_after(story.whole.mul_f64(part)).await;
        }
        let Story {
            completed,
            whole,
            slowest,
            ..
        } = story;
        fixture.wait_for_files_of(&completed).await;
        for id in &completed {
            fixture.read_file(*id).await;
        }
        let kept = "SELECT count(*) FROM export_objects WHERE state = 'kept'";
        assert_eq!(fixture.database().value(kept).await, completed.len());
        let writing = "SELECT count(*) FROM export_objects WHERE state = 'writing'";
        assert_eq!(fixture.database().value(writing).await, 0);
        println!(
            "{} of {rounds} exports of {rows} rows ({whole:?}) were completed before their cancel; \
             the slowest of the others was quiet after {slowest:?}",
            completed.len() - 2
        );
        assert!(slowest < QUIET, "{slowest:?}");
    })
    .await;
}

/// Exports that are canceled one after the other.
struct Story<'a> {
    fixture: &'a Fixture,
    completed: Vec<ExportId>,
    /// From the create to the completion of the last one.
    whole: Duration,
    /// The longest time from a cancel until nothing read the source.
    slowest: Duration,
}

impl Story<'_> {
    async fn cancel_after(&mut self, moment: Duration) {
        let id = self.fixture.queue_full_export().await;
        tokio::time::sleep(moment).await;
        let canceled_at = Instant::now();
        let canceled = cancel(self.fixture, id).await;
        let quiet = wait_until_quiet(self.fixture, canceled_at).await;
        self.slowest = self.slowest.max(quiet);
        let state = self.fixture.export(id).await.state;
        match (canceled, state) {
            (Canceled::Now(_), ExportState::Failed { failure, .. }) => {
                assert_eq!(failure.code, FailureCode::Canceled);
            }
            (Canceled::Ended(ExportStatus::Completed), ExportState::Completed(_)) => {
                self.completed(id).await;
            }
            both => panic!("{both:?}"),
        }
    }

    async fn completed(&mut self, id: ExportId) {
        let export = self.fixture.export(id).await;
        let ExportState::Completed(file) = export.state else {
            panic!("it was completed")
        };
        let whole = file.completed_at - export.created_at;
        self.whole = whole.to_std().expect("it was completed after its create");
        self.completed.push(id);
    }
}
