//! The database is restarted.

use exports_deployed::{outbound, story};

use crate::with_short_leases;

#[test]
fn a_database_restart_during_an_export_starts_a_new_attempt() {
    story(with_short_leases(), async |it| {
        // 40 MB, more than the buffers between server and worker.
        it.insert_large_messages(400).await;
        let (_, source) = it.add_worker_that_gets_stuck().await;
        let id = it.create_export(outbound()).await;
        it.is_in_the_middle_of_its_file(&id, &source).await;

        it.postgres.restart().await;
        source.restore();

        // The snapshot ended with the server, so a new attempt began.
        let export = it.file_is_right(&id).await;
        assert!(export["attempt"].as_u64() >= Some(2), "{export:#}");
        let next = it.create_export(outbound()).await;
        it.file_is_right(&next).await;
        it.nothing_is_left_over().await;
    });
}

#[test]
fn a_wrong_database_password_stops_a_worker_and_is_not_logged() {
    story(with_short_leases(), async |it| {
        const WRONG: &str = "nobody-may-read-this-password";
        let url = format!(
            "postgres://exports_worker:{WRONG}@{}/exports",
            it.postgres.host()
        );
        let worker = it.start_worker(&[("DATABASE_URL", &url)]).await;

        assert_ne!(worker.ended().await, 0);
        let log = worker.log().await;
        assert!(log.contains("DATABASE_URL"), "{log}");
        assert!(!log.contains(WRONG), "{log}");
        worker.remove().await;
    });
}
