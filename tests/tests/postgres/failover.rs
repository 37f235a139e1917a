//! Failover: the address leads to a read-only server for some time.

use std::time::Duration;

use exports_database::{Created, Database};
use exports_postgres::{Error, PoolPurpose, ReadOnly, StatementError};
use exports_sandbox::LocalPostgres;
use exports_source::Source;
use exports_tests::{Proxy, eventually, holds_within, not_run, private_standby, standby_of};
use futures_util::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{claim, database, new_export, own_server, project, stop};

/// The maximum time until everything works after the address leads to a primary.
const RECOVERY: Duration = Duration::from_secs(10);

async fn execute(server: &LocalPostgres, database: &str, sql: &str) {
    let mut connection = PgConnection::connect(&server.url_for(database))
        .await
        .unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
}

#[track_caller]
fn is_read_only<T, E>(answer: Result<T, E>, why: ReadOnly)
where
    T: std::fmt::Debug,
    E: StatementError + std::fmt::Debug,
{
    let error = answer.unwrap_err();
    assert!(
        error.postgres().is_some_and(Error::is_transient),
        "{error:?}"
    );
    assert!(
        matches!(error.postgres(), Some(Error::ReadOnly(found)) if *found == why),
        "{error:?}"
    );
}

/// A standby serves no requests: its data may be stale, and writes fail.
#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_standby_are_rejected_until_the_address_moves() {
    let database = database().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let name = database.name();
    let proxy = Proxy::to_postgres(database.url()).await;
    let storage = Database::new(&proxy.url(database.url()), PoolPurpose::Api).unwrap();
    storage.create_export(&new_export()).await.unwrap();
    let mut listener = storage.listen().await.unwrap();

    for _ in 0..2 {
        proxy.redirect_to(&standby.url_for(name));
        proxy.cut();
        assert!(listener.notified().await.unwrap_err().is_transient());
        is_read_only(storage.ping().await, ReadOnly::Standby);
        is_read_only(
            storage.create_export(&new_export()).await,
            ReadOnly::Standby,
        );
        is_read_only(storage.migration_state().await, ReadOnly::Standby);
        is_read_only(storage.check().await, ReadOnly::Standby);
        is_read_only(storage.listen().await.map(drop), ReadOnly::Standby);
        is_read_only(storage.list_keys(None).await, ReadOnly::Standby);
        let key = storage.create_key(&project(), None).await;
        is_read_only(key.map(drop), ReadOnly::Standby);

        // Connections to the standby stay open: the pool gets no signal of the change.
        proxy.redirect_to(database.url());
        eventually("exports are created", RECOVERY, async || {
            storage.create_export(&new_export()).await.ok()
        })
        .await;
        listener = storage.listen().await.unwrap();
    }

    // A source may be a standby.
    proxy.redirect_to(&standby.url_for(name));
    let source = Source::at(&proxy.url(database.url()), &storage, PoolPurpose::Api).unwrap();
    source.check().await.unwrap();
    source.server_info().await.unwrap();
    stop(standby).await;
}

/// The old primary stays up and rejects writes, as in managed services. No connection is cut.
#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_read_only_primary_are_replaced() {
    let Some((old, _)) = own_server().await else {
        not_run("the private server is a container, of which no replica can be made");
        return;
    };
    let Some(new) = standby_of(&old).await else {
        return;
    };
    execute(&old, "postgres", "CREATE DATABASE service").await;
    let proxy = Proxy::to_postgres(&old.url_for("service")).await;
    let open = |purpose| Database::new(&proxy.url(&old.url_for("service")), purpose).unwrap();
    let api = open(PoolPurpose::Api);
    let worker = open(PoolPurpose::Worker { concurrency: 4 });
    api.migrate().await.unwrap();
    api.create_project(&project()).await.unwrap();
    for storage in [&api, &worker] {
        let pings = (0..32).map(|_| storage.ping());
        try_join_all(pings).await.unwrap();
    }

    // A busy API that only reads, with connections that are never idle.
    let read_only = "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()";
    execute_each(&old, read_only).await;
    eventually("reads are refused", RECOVERY, async || {
        let pings = (0..16).map(|_| api.ping());
        try_join_all(pings).await.err()
    })
    .await;
    is_read_only(api.create_export(&new_export()).await, ReadOnly::Setting);
    is_read_only(api.ping().await, ReadOnly::Setting);
    assert!(worker.claim(&crate::support::worker("w")).await.is_err());
    let stays = Duration::from_secs(1);
    holds_within("it stays read-only", stays, async || {
        api.ping().await.is_err()
    })
    .await;

    execute(&new, "postgres", "SELECT pg_promote()").await;
    proxy.redirect_to(&new.url_for("service"));
    eventually("exports are created", RECOVERY, async || {
        api.create_export(&new_export()).await.ok()
    })
    .await;
    eventually("exports are claimed", RECOVERY, async || {
        worker.claim(&crate::support::worker("w")).await.ok()
    })
    .await;

    api.close().await;
    worker.close().await;
    stop(new).await;
    stop(old).await;
}

/// The failover happens between two requests: the first request after it does not fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_the_old_primary_rejects_is_sent_to_the_new_primary() {
    let Some((old, _)) = own_server().await else {
        not_run("the private server is a container, of which no replica can be made");
        return;
    };
    let Some(new) = standby_of(&old).await else {
        return;
    };
    execute(&old, "postgres", "CREATE DATABASE service").await;
    let proxy = Proxy::to_postgres(&old.url_for("service")).await;
    let api = Database::new(&proxy.url(&old.url_for("service")), PoolPurpose::Api).unwrap();
    api.migrate().await.unwrap();
    api.create_project(&project()).await.unwrap();
    eventually("the standby has the project", RECOVERY, async || {
        let standby = PgConnection::connect(&new.url_for("service")).await;
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM projects");
        let count = count.fetch_one(&mut standby.ok()?).await.ok()?;
        (count == 1).then_some(())
    })
    .await;
    let pings = (0..32).map(|_| api.ping());
    try_join_all(pings).await.unwrap();

    execute(&new, "postgres", "SELECT pg_promote()").await;
    proxy.redirect_to(&new.url_for("service"));
    let read_only = "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()";
    execute_each(&old, read_only).await;
    eventually("the old primary is read-only", RECOVERY, async || {
        let mut old = PgConnection::connect(&old.url()).await.ok()?;
        let read_only = sqlx::query_scalar("SELECT current_setting('transaction_read_only')");
        let read_only: String = read_only.fetch_one(&mut old).await.ok()?;
        (read_only == "on").then_some(())
    })
    .await;
    let created = api.create_export(&new_export()).await.unwrap();
    assert!(matches!(created, Created::New(_)));
    assert!(
        claim(&api).await.is_some(),
        "the export is on the new primary"
    );

    api.close().await;
    stop(new).await;
    stop(old).await;
}

/// Runs each statement by itself: `ALTER SYSTEM` cannot run in a transaction, and several statements in
/// one query are a transaction.
async fn execute_each(server: &LocalPostgres, statements: &str) {
    for statement in statements.split("; ") {
        execute(server, "postgres", statement).await;
    }
}
