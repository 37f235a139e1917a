//! A worker is lost in the middle of a file, until its lease expires: another takes over in time, the file is correct and written
//! once, and the lost worker changes nothing if it returns.

use std::time::{Duration, Instant};

use exports_deployed::{Deployment, figure, outbound, story};
use exports_tests::Proxy;

use crate::{LEASE, with_short_leases};

/// A takeover happens within the lease plus this.
const TAKEOVER: Duration = Duration::from_secs(5);
const LEASE_LOST: &str = "the lease was lost";

#[test]
fn a_killed_worker_is_replaced() {
    story(with_short_leases(), async |it| {
        let fixture = Fixture::start(it).await;

        it.workers[fixture.lost].kill().await;

        fixture.is_taken_over(it, "a worker that was killed").await;
        it.nothing_is_left_over().await;
    });
}

#[test]
fn a_frozen_worker_is_replaced_and_changes_nothing_when_it_resumes() {
    story(with_short_leases(), async |it| {
        let fixture = Fixture::start(it).await;

        it.workers[fixture.lost].pause().await;
        fixture.is_taken_over(it, "a worker that was frozen").await;
        it.workers[fixture.lost].unpause().await;

        fixture.the_returned_worker_changes_nothing(it).await;
    });
}

#[test]
fn a_worker_without_database_is_replaced_and_changes_nothing_when_it_returns() {
    story(with_short_leases(), async |it| {
        let fixture = Fixture::start(it).await;

        it.workers[fixture.lost].leave(&it.database_network).await;
        fixture
            .is_taken_over(it, "a worker that was cut off from the database")
            .await;
        it.workers[fixture.lost].join(&it.database_network).await;

        fixture.the_returned_worker_changes_nothing(it).await;
    });
}

#[test]
fn a_worker_without_store_keeps_its_lease_and_finishes_when_it_returns() {
    story(with_short_leases(), async |it| {
        let fixture = Fixture::start(it).await;
        let id = &fixture.id;

        it.workers[fixture.lost].leave(&it.store_network).await;
        fixture.source.restore();
        // Its heartbeats continue, so it keeps the export beyond the first lease.
        let beyond = format!(
            "SELECT lease_expires_at > started_at + 2 * interval '{} s' FROM exports WHERE id = '{id}'",
            LEASE.as_secs()
        );
        it.postgres.wait_for(&beyond, true).await;
        it.workers[fixture.lost].join(&it.store_network).await;

        let export = it.file_is_right(id).await;
        assert_eq!(export["attempt"], 1);
        it.nothing_is_left_over().await;
    });
}

/// A worker in the middle of a file, and another worker that can take over.
struct Fixture {
    lost: usize,
    source: Proxy,
    id: String,
}

impl Fixture {
    async fn start(it: &mut Deployment) -> Self {
        it.insert_large_messages(120).await;
        let (lost, source) = it.add_worker_that_gets_stuck().await;
        let id = it.create_export(outbound()).await;
        it.is_in_the_middle_of_its_file(&id, &source).await;
        it.add_worker().await;
        Self { lost, source, id }
    }

    /// The other worker takes over in time and completes the export.
    async fn is_taken_over(&self, it: &Deployment, whose: &str) {
        let lost = Instant::now();
        it.is_at_attempt(&self.id, 2).await;
        let took = lost.elapsed();
        figure(&format!("takeover from {whose}, lease {LEASE:?}"), took);
        assert!(took < LEASE + TAKEOVER, "{took:?}");
        assert_eq!(it.file_is_right(&self.id).await["attempt"], 2);
    }

    /// The lost worker resumes.
    async fn the_returned_worker_changes_nothing(&self, it: &mut Deployment) {
        let before = it.export(&self.id).await;
        self.source.restore();
        it.workers[self.lost].wait_for_log(LEASE_LOST).await;
        it.nothing_is_left_over().await;

        assert_eq!(it.file_is_right(&self.id).await, before);
        // It works again.
        it.workers[1 - self.lost].stop().await;
        let next = it.create_export(outbound()).await;
        it.file_is_right(&next).await;
        it.nothing_is_left_over().await;
    }
}
