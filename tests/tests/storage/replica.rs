//! A replica as the source: what is committed on the primary is in the file, however far the
//! replica lags behind.

use std::time::Duration;

use exports_storage::source::UrlColumn;
use exports_storage::{PoolPurpose, Source};
use exports_tests::{Message, PATIENCE, eventually, holds_within, private_server, uuid};
use sqlx::{Connection, PgConnection};

use crate::sessions::read;
use crate::support::{PROJECT, database, filter, not_run, project};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_on_a_replica_waits_for_what_is_committed() {
    let Some(primary) = private_server().await else {
        not_run("TEST_DATABASE_URL is set, and of a given server no replica can be made");
        return;
    };
    let database = database().await;
    let standby = tokio::task::spawn_blocking(|| primary.standby())
        .await
        .unwrap();
    let standby = match standby {
        Ok(standby) => standby,
        Err(exports_local::Error::InstalledProgramsOnly { .. }) => {
            not_run("the private server is a container, of which no replica can be made");
            return;
        }
        Err(error) => panic!("no standby: {error}"),
    };
    let name = database.url().rsplit('/').next().unwrap();
    let replica_url = standby.url_for(name);
    let source = Source::at(&replica_url, &database.storage(), PoolPurpose::Api).unwrap();
    let mut replica = PgConnection::connect(&replica_url).await.unwrap();

    // In step: what was just committed is there.
    let mut session = source.open_session().await.unwrap();
    Message::insert(database.pool(), &[Message::outbound(PROJECT).id(uuid(1))]).await;
    session.begin(&project()).await.unwrap();
    let rows = read(&mut session, &filter(), UrlColumn::Known).await;
    assert_eq!(rows.len(), 1);
    let mut session = session.finish().await.unwrap();

    // Behind: it waits, and does not read what is too old.
    execute(&mut replica, "SELECT pg_wal_replay_pause()").await;
    let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
    eventually("replay stands still", PATIENCE, async || {
        let is_paused: bool = sqlx::query_scalar(paused)
            .fetch_one(&mut replica)
            .await
            .unwrap();
        is_paused.then_some(())
    })
    .await;
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
    let mut session = tokio::time::timeout(PATIENCE, begun)
        .await
        .unwrap()
        .unwrap();
    let rows = read(&mut session, &filter(), UrlColumn::Known).await;
    assert_eq!(rows.len(), 2);
    session.finish().await.unwrap();

    replica.close().await.ok();
    tokio::task::spawn_blocking(move || standby.stop())
        .await
        .unwrap()
        .unwrap();
}

async fn execute(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}
