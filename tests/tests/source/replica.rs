//! A replica as the source: the file contains everything that is committed on the primary, with any replication lag.

use std::time::Duration;

use exports_database::Database;
use exports_postgres::PoolPurpose;
use exports_sandbox::LocalPostgres;
use exports_source::Error;
use exports_source::Source;
use exports_tests::{
    Message, Proxy, TIMEOUT, TestDatabase, eventually, holds_within, not_run, private_standby,
    standby_of, uuid,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::sessions::{known_urls, read};
use crate::support::{PROJECT, database, filter, own_server, project, stop};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_session_waits_for_committed_data() {
    let database = database().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let replica_url = url_on(&standby, &database);
    let source = Source::at(&replica_url, &database.storage(), PoolPurpose::Api).unwrap();
    let mut replica = PgConnection::connect(&replica_url).await.unwrap();

    // Without lag: the committed row is visible.
    let mut session = source.open_session().await.unwrap();
    Message::insert(database.pool(), &[Message::outbound(PROJECT).id(uuid(1))]).await;
    session.begin(&project()).await.unwrap();
    let rows = read(&mut session, &filter(), &known_urls()).await;
    assert_eq!(rows.len(), 1);
    session.finish().await.unwrap();

    // With lag: the session waits and does not read stale data.
    let mut session = source.open_session().await.unwrap();
    pause_replay(&mut replica).await;
    Message::insert(database.pool(), &[Message::outbound(PROJECT).id(uuid(2))]).await;
    let begun = tokio::spawn(async move {
        session.begin(&project()).await.unwrap();
        session
    });
    holds_within("the session waits", Duration::from_secs(1), async || {
        !begun.is_finished()
    })
    .await;
    execute(&mut replica, "SELECT pg_wal_replay_resume()").await;
    let mut session = tokio::time::timeout(TIMEOUT, begun).await.unwrap().unwrap();
    let rows = read(&mut session, &filter(), &known_urls()).await;
    assert_eq!(rows.len(), 2);
    session.finish().await.unwrap();

    replica.close().await.ok();
    stop(standby).await;
}

/// A promoted replica never reaches the WAL positions of later commits of its old primary.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_on_a_promoted_replica_fails_without_waiting() {
    let database = database().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let replica_url = url_on(&standby, &database);
    let source = Source::at(&replica_url, &database.storage(), PoolPurpose::Api).unwrap();
    let mut replica = PgConnection::connect(&replica_url).await.unwrap();
    let used_before = async || {
        let mut session = source.open_session().await.unwrap();
        session.begin(&project()).await.unwrap();
        session.finish().await.unwrap()
    };
    let mut at_rest = used_before().await;
    let mut new = source.open_session().await.unwrap();

    // A waiting session gets the error, too. A promotion first replays the received WAL.
    follow(&mut replica, "").await;
    Message::insert(database.pool(), &[Message::outbound(PROJECT).id(uuid(1))]).await;
    let waiting = tokio::spawn(async move { new.begin(&project()).await });
    holds_within(
        "the session waits",
        Duration::from_millis(200),
        async || !waiting.is_finished(),
    )
    .await;
    execute(&mut replica, "SELECT pg_promote()").await;
    Message::insert(database.pool(), &[Message::outbound(PROJECT).id(uuid(2))]).await;
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    let error = waited
        .expect("the session waits for less than the replica timeout")
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, Error::Promoted), "{error:?}");
    let begun = tokio::time::timeout(Duration::from_secs(10), at_rest.begin(&project())).await;
    let error = begun.expect("the session fails at once").unwrap_err();
    assert!(matches!(error, Error::Promoted), "{error:?}");

    // The promoted server is a primary now, and new sessions can read it.
    used_before().await;
    stop(standby).await;
}

/// A new session may reach another server, so a reused one waits for a shorter time.
#[tokio::test(flavor = "multi_thread")]
async fn a_reused_session_waits_for_its_replica_for_a_short_time() {
    let database = database().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let replica_url = url_on(&standby, &database);
    let source = Source::at(&replica_url, &database.storage(), PoolPurpose::Api).unwrap();
    let mut replica = PgConnection::connect(&replica_url).await.unwrap();
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let mut session = session.finish().await.unwrap();
    pause_replay(&mut replica).await;
    Message::insert(database.pool(), &[Message::outbound(PROJECT).id(uuid(1))]).await;
    let begun = tokio::time::timeout(Duration::from_secs(20), session.begin(&project())).await;
    let error = begun
        .expect("a reused session waits less than a new one")
        .unwrap_err();
    assert!(matches!(error, Error::ReplicaBehind { .. }), "{error:?}");
    stop(standby).await;
}

/// The WAL position of the old primary is ahead of the new primary: no replica ever reaches it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_waits_during_a_failover_waits_for_the_new_primary() {
    let Some((old, _)) = own_server().await else {
        not_run("the private server is a container, of which no replica can be made");
        return;
    };
    let old_url = old.url_for("service");
    let mut on_old = PgConnection::connect(&old.url()).await.unwrap();
    execute(&mut on_old, "CREATE DATABASE service").await;
    let proxy = Proxy::to_postgres(&old_url).await;
    let control = Database::new(&proxy.url(&old_url), PoolPurpose::Api).unwrap();
    control.migrate().await.unwrap();
    let (Some(new), Some(replica)) = (standby_of(&old).await, standby_of(&old).await) else {
        return;
    };
    let source = Source::at(&replica.url_for("service"), &control, PoolPurpose::Api).unwrap();
    let mut on_new = PgConnection::connect(&new.url()).await.unwrap();
    let mut on_replica = PgConnection::connect(&replica.url()).await.unwrap();
    let conninfo: String = sqlx::query_scalar("SHOW primary_conninfo")
        .fetch_one(&mut on_replica)
        .await
        .unwrap();

    // Neither standby receives WAL of the old primary from now on.
    for standby in [&mut on_new, &mut on_replica] {
        follow(standby, "").await;
    }
    let log =
        "CREATE TABLE lost AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, 20000) n";
    execute(&mut on_old, log).await;
    let mut session = source.open_session().await.unwrap();
    let begun = tokio::spawn(async move { session.begin(&project()).await });
    holds_within(
        "the session waits",
        Duration::from_millis(500),
        async || !begun.is_finished(),
    )
    .await;

    execute(&mut on_new, "SELECT pg_promote()").await;
    proxy.redirect_to(&new.url_for("service"));
    proxy.cut();
    let (old_port, new_port) = (old.port().to_string(), new.port().to_string());
    follow(&mut on_replica, &conninfo.replace(&old_port, &new_port)).await;
    let begun = tokio::time::timeout(Duration::from_secs(25), begun).await;
    begun
        .expect("the session waits for less than the replica timeout")
        .unwrap()
        .unwrap();

    control.close().await;
    for server in [replica, new, old] {
        stop(server).await;
    }
}

/// Makes a standby follow another server, or none.
async fn follow(standby: &mut PgConnection, conninfo: &str) {
    let set = format!(
        "ALTER SYSTEM SET primary_conninfo = '{}'",
        conninfo.replace('\'', "''")
    );
    sqlx::raw_sql(AssertSqlSafe(set))
        .execute(&mut *standby)
        .await
        .unwrap();
    execute(standby, "SELECT pg_reload_conf()").await;
    let follows = !conninfo.is_empty();
    eventually(
        "the WAL receiver has the expected state",
        TIMEOUT,
        async || {
            let receives =
                "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')";
            let receives: bool = sqlx::query_scalar(receives)
                .fetch_one(&mut *standby)
                .await
                .unwrap();
            (receives == follows).then_some(())
        },
    )
    .await;
}

fn url_on(standby: &LocalPostgres, database: &TestDatabase) -> String {
    standby.url_for(database.name())
}

async fn pause_replay(replica: &mut PgConnection) {
    execute(replica, "SELECT pg_wal_replay_pause()").await;
    let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
    eventually("WAL replay is paused", TIMEOUT, async || {
        let paused: bool = sqlx::query_scalar(paused)
            .fetch_one(&mut *replica)
            .await
            .unwrap();
        paused.then_some(())
    })
    .await;
}

async fn execute(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}
