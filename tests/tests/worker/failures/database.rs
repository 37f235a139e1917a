//! The database goes away and comes back: nothing has to be restarted.

use exports_tests::Proxy;

use crate::rows::put_large;
use crate::workshop::{Worker, Workshop, on_every_store};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_goes_on_when_the_database_is_back() {
    on_every_store(async |shop| {
        let (mut worker, database) = worker_behind(shop, &[]).await;
        shop.put_one().await;
        let before = shop.ask_for_all().await;
        shop.file(before).await;

        database.take_away();
        worker.wait_for_line("the claim failed").await;
        let meanwhile = shop.ask_for_all().await;
        database.restore();

        shop.file(meanwhile).await;
        shop.holds_only(&[before, meanwhile]).await;
        worker.terminate();
        assert_eq!(worker.wait().await.code(), Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_lost_its_database_is_taken_up_again_when_it_is_back() {
    on_every_store(async |shop| {
        let database = Proxy::to_postgres(shop.database.url()).await;
        let url = database.url(shop.database.url());
        let variables = [("DATABASE_URL", url.as_str()), ("EXPORTS_LEASE", "2s")];
        let (mut worker, source) = shop.worker_that_gets_stuck(&variables).await;
        let expected = put_large(&shop.database, 120).await;
        let id = shop.ask_for_all().await;
        shop.first_part_is_stored().await;

        source.take_away();
        database.take_away();
        worker.wait_for_line("the claim failed").await;
        shop.holds_nothing().await;
        source.restore();
        database.restore();

        assert!(shop.file(id).await == expected);
        assert_eq!(shop.export(id).await.attempt, 2);
        shop.holds_only(&[id]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_made_anew() {
    on_every_store(async |shop| {
        let (_worker, database) = worker_behind(shop, &[]).await;
        shop.put_one().await;
        let first = shop.ask_for_all().await;
        shop.file(first).await;
        database.cut();
        let second = shop.ask_for_all().await;
        shop.file(second).await;
        shop.holds_only(&[first, second]).await;
    })
    .await;
}

/// A worker that reaches everything in the database through a proxy.
async fn worker_behind(shop: &Workshop, variables: &[(&str, &str)]) -> (Worker, Proxy) {
    let database = Proxy::to_postgres(shop.database.url()).await;
    let url = database.url(shop.database.url());
    let variables = [variables, &[("DATABASE_URL", &url)]].concat();
    let mut worker = shop.worker(&variables);
    worker.wait_for_event("worker started").await;
    (worker, database)
}
