//! Workers start, share the work and stop; the API can be unavailable.

use exports_deployed::{outbound, story};

use crate::with_short_leases;

#[test]
fn two_workers_share_twenty_exports() {
    story(with_short_leases(), async |it| {
        it.insert_large_messages(120).await;
        let (_, one) = it.add_worker_that_gets_stuck().await;
        let (_, other) = it.add_worker_that_gets_stuck().await;

        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(it.create_export(outbound()).await);
        }
        one.held().await;
        other.held().await;
        let owners = "SELECT count(DISTINCT lease_owner) FROM exports WHERE status = 'processing'";
        it.postgres.wait_for(owners, 2).await;
        one.restore();
        other.restore();

        for id in &ids {
            assert_eq!(it.file_is_right(id).await["attempt"], 1);
        }
        for worker in &it.workers {
            assert!(worker.log().await.contains("export completed"));
        }
        it.nothing_is_left_over().await;
    });
}

#[test]
fn a_terminated_worker_finishes_its_file_within_the_grace_period() {
    story(with_short_leases(), async |it| {
        it.insert_large_messages(120).await;
        let (old, source) = it.add_worker_that_gets_stuck().await;
        let begun = it.create_export(outbound()).await;
        it.is_in_the_middle_of_its_file(&begun, &source).await;

        it.workers[old].terminate().await;
        let new = it.add_worker().await;
        let next = it.create_export(outbound()).await;
        it.file_is_right(&next).await;
        source.restore();

        assert_eq!(it.file_is_right(&begun).await["attempt"], 1);
        assert_eq!(it.workers[old].ended().await, 0);
        let log = it.workers[new].log().await;
        assert!(log.contains(&next) && !log.contains(&begun), "{log}");
        it.nothing_is_left_over().await;
    });
}

#[test]
fn a_terminated_worker_releases_an_export_that_it_cannot_finish() {
    story(
        with_short_leases().worker_env("EXPORTS_SHUTDOWN_GRACE", "1s"),
        async |it| {
            it.insert_large_messages(120).await;
            let (old, source) = it.add_worker_that_gets_stuck().await;
            let id = it.create_export(outbound()).await;
            it.is_in_the_middle_of_its_file(&id, &source).await;

            let new = it.add_worker().await;
            it.workers[old].terminate().await;

            // A released attempt does not count.
            assert_eq!(it.file_is_right(&id).await["attempt"], 1);
            assert_eq!(it.workers[old].ended().await, 0);
            let released = "the export is released";
            assert!(it.workers[old].log().await.contains(released));
            assert!(it.workers[new].log().await.contains("export completed"));
            it.nothing_is_left_over().await;
        },
    );
}

#[test]
fn workers_continue_while_the_api_is_down() {
    story(with_short_leases(), async |it| {
        it.insert_large_messages(120).await;
        let (_, source) = it.add_worker_that_gets_stuck().await;
        let begun = it.create_export(outbound()).await;
        it.is_in_the_middle_of_its_file(&begun, &source).await;
        let queued = it.create_export(outbound()).await;

        it.api.stop().await;
        source.restore();
        let completed = "SELECT count(*) FROM exports WHERE status = 'completed'";
        it.postgres.wait_for(completed, 2).await;
        it.api.start_again().await;
        it.api_is_ready().await;

        for id in [&begun, &queued] {
            assert_eq!(it.file_is_right(id).await["attempt"], 1);
        }
        it.nothing_is_left_over().await;
    });
}
