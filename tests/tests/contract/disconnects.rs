//! Clients that disconnect during a create must not affect others.
//!
//! Regression test for sqlx 0.9.0: a cancelled `pool.begin()`, for example when an axum client disconnects, can put a session back
//! into the pool inside an open transaction. The next autocommit INSERT on it then reports success and is never committed. So the
//! API never calls `begin`; this test fails if a create does.

use std::time::Duration;

use exports_tests::{Fixture, TIMEOUT, eventually};
use futures_util::future::join_all;
use serde_json::Value;

use crate::shared::{Consumer, id_of, request, story};
use crate::wire::Wire;

/// The raw HTTP request of a create.
fn message(consumer: &Consumer<'_>) -> String {
    let (key, body) = (consumer.api.key(), request().to_string());
    let length = body.len();
    format!(
        "POST /v1/exports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The number of sessions of the service that match a condition.
async fn sessions(fixture: &Fixture, condition: &str) -> Value {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND {condition}"
    );
    fixture.database().value(&sql).await
}

/// Fails if a session has an open transaction, or if other sessions do not see an export whose create returned 201.
async fn assert_creates_are_committed(consumer: &Consumer<'_>) {
    // Checked first, because another BEGIN and COMMIT would end the open transaction.
    assert_no_open_transaction(consumer.fixture).await;
    let request = request();
    let created = join_all((0..48).map(|_| consumer.create(&request))).await;
    for export in created {
        let id = id_of(&export).parse().unwrap();
        let row = consumer.fixture.database().export_row(id).await;
        assert!(row.is_some(), "{id} was answered 201 and was not committed");
    }
    assert_no_open_transaction(consumer.fixture).await;
}

async fn assert_no_open_transaction(fixture: &Fixture) {
    eventually("no statement runs", TIMEOUT, async || {
        (sessions(fixture, "state = 'active'").await == 0).then_some(())
    })
    .await;
    let open = sessions(fixture, "state LIKE 'idle in transaction%'").await;
    assert_eq!(open, 0, "sessions inside an open transaction");
}

#[test]
fn client_disconnects_at_any_time_leave_no_open_transaction() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let message = message(&consumer);
        // Opens every session of the pool.
        let request = request();
        join_all((0..16).map(|_| consumer.create(&request))).await;
        // Adds latency to the database, so that disconnects hit every exchange with it.
        fixture.database_proxy().slow_down(Duration::from_millis(3));
        for round in 0..6 {
            let clients = (0..16).map(async |number: u64| {
                let mut wire = Wire::to(&consumer.api).await;
                wire.send(&message).await;
                // Each client disconnects at a different time: 96 times, 0.5 ms apart.
                let moment = Duration::from_micros(500 * (number * 6 + round));
                tokio::time::timeout(moment, wire.reply()).await.ok();
            });
            join_all(clients).await;
        }
        fixture.database_proxy().restore();
        assert_creates_are_committed(&consumer).await;
    });
}

#[test]
fn a_create_that_waits_for_a_lock_is_committed_after_its_client_disconnects() {
    // Fewer than a project's share of the pool.
    const CLIENTS: usize = 6;
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let consumer = Consumer::owner_of(&fixture);
        let message = message(&consumer);
        let mut blocker = fixture.database().connect().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE exports IN ACCESS EXCLUSIVE MODE")
            .execute(&mut blocker)
            .await
            .unwrap();
        let mut waiting = Vec::new();
        for _ in 0..CLIENTS {
            let mut wire = Wire::to(&consumer.api).await;
            wire.send(&message).await;
            waiting.push(wire);
        }
        eventually("every insert waits", TIMEOUT, async || {
            (sessions(&fixture, "wait_event_type = 'Lock'").await == CLIENTS).then_some(())
        })
        .await;
        drop(waiting);
        sqlx::raw_sql("COMMIT").execute(&mut blocker).await.unwrap();
        eventually("every insert is committed", TIMEOUT, async || {
            let count = fixture
                .database()
                .value("SELECT count(*) FROM exports")
                .await;
            (count == CLIENTS).then_some(())
        })
        .await;
        assert_creates_are_committed(&consumer).await;
    });
}
