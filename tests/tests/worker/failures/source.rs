//! The messages cannot be read, or not in time; the worker dies over them.

use exports_domain::FailureCode;

use super::tells_only_what_to_do;
use crate::rows::put_large;
use crate::workshop::on_every_store;

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_missing_for_a_while_costs_attempts() {
    on_every_store(async |shop| {
        let mut worker = shop.worker(&[]);
        shop.put_one().await;
        shop.database
            .execute("ALTER TABLE messages RENAME TO messages_away")
            .await;
        let id = shop.ask_for_all().await;
        worker.wait_for_line("the attempt failed").await;
        shop.database
            .execute("ALTER TABLE messages_away RENAME TO messages")
            .await;

        shop.file(id).await;
        assert!(shop.export(id).await.attempt >= 2);
        shop.holds_only(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_stays_missing_fails_the_export_with_words_for_the_consumer() {
    on_every_store(async |shop| {
        let _worker = shop.worker(&[("EXPORTS_MAX_ATTEMPTS", "2")]);
        shop.database.execute("DROP TABLE messages").await;
        let id = shop.ask_for_all().await;

        let failure = shop.failed(id).await;

        assert_eq!(failure.code, FailureCode::SourceUnavailable);
        tells_only_what_to_do(shop, &failure);
        assert_eq!(shop.export(id).await.attempt, 2);
        shop.holds_nothing().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_takes_longer_than_it_may_fails_and_leaves_nothing() {
    on_every_store(async |shop| {
        let (_worker, source) = shop
            .worker_that_gets_stuck(&[("EXPORTS_MAX_DURATION", "3s")])
            .await;
        put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;

        let failure = shop.failed(id).await;

        assert_eq!(failure.code, FailureCode::TimedOut);
        tells_only_what_to_do(shop, &failure);
        assert_eq!(shop.export(id).await.attempt, 1);
        shop.holds_nothing().await;
        // The worker goes on with the next one.
        source.restore();
        let next = shop.ask_for_all().await;
        shop.file(next).await;
        shop.holds_only(&[next]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_kills_every_worker_fails_in_the_end() {
    on_every_store(async |shop| {
        let variables = [("EXPORTS_LEASE", "1s"), ("EXPORTS_MAX_ATTEMPTS", "2")];
        put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        for attempt in 1..=2 {
            // Before the worker starts, so that it can never finish.
            let (mut worker, source) = shop.worker_that_gets_stuck(&variables).await;
            shop.column_is(id, "attempt", attempt).await;
            worker.kill().await;
            drop(source);
        }
        assert_eq!(
            shop.database.export_column(id.0, "status").await,
            "processing"
        );
        let _last = shop.worker(&variables);

        let failure = shop.failed(id).await;

        assert_eq!(failure.code, FailureCode::AttemptsExhausted);
        assert!(failure.message.contains("Please"), "{}", failure.message);
        assert_eq!(shop.export(id).await.attempt, 2);
        shop.holds_nothing().await;
    })
    .await;
}
