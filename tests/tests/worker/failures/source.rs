//! Reading the messages fails, takes too long, or kills the worker.

use std::time::Duration;

use exports_domain::FailureCode;

use super::tells_only_what_to_do;
use crate::rows::put_large;
use crate::support::on_every_store;

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_retried_while_the_source_table_is_missing() {
    on_every_store(async |fixture| {
        let mut worker = fixture.start_worker(&[]);
        fixture.insert_one_message().await;
        fixture
            .database()
            .execute("ALTER TABLE messages RENAME TO messages_away")
            .await;
        let id = fixture.queue_full_export().await;
        worker.wait_for_line("the attempt failed").await;
        fixture
            .database()
            .execute("ALTER TABLE messages_away RENAME TO messages")
            .await;

        fixture.read_file(id).await;
        assert!(fixture.export(id).await.attempt >= 2);
        fixture.wait_for_files_of(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanently_missing_source_table_fails_the_export_with_a_consumer_message() {
    on_every_store(async |fixture| {
        let _worker = fixture.start_worker(&[("EXPORTS_MAX_ATTEMPTS", "2")]);
        fixture.database().execute("DROP TABLE messages").await;
        let id = fixture.queue_full_export().await;

        let failure = fixture.wait_until_failed(id).await;

        assert_eq!(failure.code, FailureCode::SourceUnavailable);
        tells_only_what_to_do(fixture, &failure);
        assert_eq!(fixture.export(id).await.attempt, 2);
        fixture.wait_for_empty_store().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_past_max_duration_fails_and_leaves_no_file() {
    on_every_store(async |fixture| {
        let variables = [("EXPORTS_MAX_DURATION", "6s"), ("EXPORTS_READERS", "1")];
        let (_worker, source) = fixture.worker_behind_a_proxy(&variables).await;
        put_large(fixture.database(), 240).await;
        // The messages arrive all the time, but take longer than the maximum duration.
        source.slow_down(Duration::from_millis(20));
        let id = fixture.queue_full_export().await;
        fixture.wait_for_first_part().await;

        let failure = fixture.wait_until_failed(id).await;

        assert_eq!(failure.code, FailureCode::TimedOut);
        tells_only_what_to_do(fixture, &failure);
        assert_eq!(fixture.export(id).await.attempt, 1);
        fixture.wait_for_empty_store().await;
        // The worker continues with the next export.
        source.restore();
        fixture.database().execute("DELETE FROM messages").await;
        fixture.insert_one_message().await;
        let next = fixture.queue_full_export().await;
        fixture.read_file(next).await;
        fixture.wait_for_files_of(&[next]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_kills_every_worker_fails_when_its_attempts_are_exhausted() {
    on_every_store(async |fixture| {
        let variables = [("EXPORTS_LEASE", "1s"), ("EXPORTS_MAX_ATTEMPTS", "2")];
        put_large(fixture.database(), 120).await;
        let id = fixture.queue_full_export().await;
        for attempt in 1..=2 {
            // The source is stuck before the worker starts, so that it cannot finish.
            let (mut worker, source) = fixture.worker_that_gets_stuck(&variables).await;
            fixture.wait_for_column(id, "attempt", attempt).await;
            worker.kill().await;
            drop(source);
        }
        assert_eq!(
            fixture.database().export_column(id.0, "status").await,
            "processing"
        );
        let _last = fixture.start_worker(&variables);

        let failure = fixture.wait_until_failed(id).await;

        assert_eq!(failure.code, FailureCode::AttemptsExhausted);
        assert!(failure.message.contains("Please"), "{}", failure.message);
        assert_eq!(fixture.export(id).await.attempt, 2);
        fixture.wait_for_empty_store().await;
    })
    .await;
}
