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
async fn a_session_on_a_replica_waits_for_what_is_committed() {
    let database = database().await;
    let Some(standby) = private_standby().await else {
        return;
    };
    let replica_url = url_on(&standby, &database);
    let source = Source::at(&replica_url, &database.storage(), PoolPurpose::Api).unwrap();
    let mut replica = PgConnection::connect(&replica_url).await.unwrap();

    // In step: what was just committed is there.
    let mut session = source.open_session().await.unwrap();
    Message::insert(database.pool(), &[Message::outbound(PROJECT).id(uuid(1))]).await;
    session.begin(&project()).await.unwrap();
    let rows = read(&mut session, &filter(), &known_urls()).await;
    assert_eq!(rows.len(), 1);
    session.finish().await.unwrap();

    // Behind: it waits, and does not read what is too old.
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

/// What its primary commits from then on has positions that it never reaches.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_replica_was_promoted_says_so_instead_of_waiting() {
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

    // One that waits learns of it, too. What was received is replayed before the promotion.
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
        .expect("less than for a replica")
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, Error::Promoted), "{error:?}");
    let begun = tokio::time::timeout(Duration::from_secs(10), at_rest.begin(&project())).await;
    let error = begun.expect("at once").unwrap_err();
    assert!(matches!(error, Error::Promoted), "{error:?}");

    // It is a database of its own now, which can be read as such.
    used_before().await;
    stop(standby).await;
}

/// A new one may lead to another server: it is not waited for as long as for a new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_used_before_waits_for_its_replica_a_short_time() {
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
    let error = begun.expect("less than for a new one").unwrap_err();
    assert!(matches!(error, Error::ReplicaBehind { .. }), "{error:?}");
    stop(standby).await;
}

/// The old primary's position is beyond what the new one has: nobody ever reaches it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_waits_while_the_primary_fails_over_waits_for_the_new_one() {
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

    // Neither gets what the old primary writes from now on.
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
    begun.expect("less than for a replica").unwrap().unwrap();

    control.close().await;
    for server in [replica, new, old] {
        stop(server).await;
    }
}

/// Has a standby follow another server, or none.
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
    eventually("it follows whom it should", TIMEOUT, async || {
        let receives =
            "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')";
        let receives: bool = sqlx::query_scalar(receives)
            .fetch_one(&mut *standby)
            .await
            .unwrap();
        (receives == follows).then_some(())
    })
    .await;
}

fn url_on(standby: &LocalPostgres, database: &TestDatabase) -> String {
    standby.url_for(database.name())
}

async fn pause_replay(replica: &mut PgConnection) {
    execute(replica, "SELECT pg_wal_replay_pause()").await;
    let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
    eventually("replay stands still", TIMEOUT, async || {
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
