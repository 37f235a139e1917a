//! `GET /healthz`, `GET /readyz`, and the start of the API.

use std::time::{Duration, Instant};

use exports_tests::{Fixture, Process, Reply, StoreKind, TIMEOUT, eventually, holds_within};
use futures_util::future::join_all;
use reqwest::Method;

use crate::api::{Api, assert_refused};
use crate::shared::{Consumer, story};

#[test]
fn a_running_api_is_healthy_and_ready_on_every_store() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let api = fixtures.consumer_on(store).await.api.without_key();
            for path in ["/healthz", "/readyz"] {
                let _ = api.get(path).await.expect(200);
                assert_eq!(api.head(path).await.status, 200, "{path}");
                let reply = api.send(Method::POST, path, |request| request).await;
                assert_refused(&reply, 405, "METHOD_NOT_ALLOWED", &[]);
            }
        }
    });
}

/// Waits until `/readyz` has this status. Its answer is at most a second old; the rest is for a busy machine.
async fn ready_within_its_age(api: &Api, status: u16) -> Reply {
    let limit = Duration::from_secs(3);
    eventually(&format!("/readyz is {status}"), limit, async || {
        let reply = api.get("/readyz").await;
        (reply.status == status).then_some(reply)
    })
    .await
}

/// `/readyz` needs no key: a flood of requests must not become a flood of queries.
#[test]
fn many_requests_of_readyz_are_one_query_a_second() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let api = Consumer::owner_of(&fixture).api.without_key();
        let database = fixture.database();
        let scans = "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = '_sqlx_migrations'";
        let before = database.value(scans).await.as_u64().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2500) {
            let replies = join_all((0..50).map(|_| api.get("/readyz"))).await;
            assert!(replies.iter().all(|reply| reply.status == 200));
        }
        let seconds = begun.elapsed().as_secs() + 1;
        let scanned = eventually("the queries are counted", TIMEOUT, async || {
            let scanned = database.value(scans).await.as_u64().unwrap() - before;
            (scanned > 0).then_some(scanned)
        })
        .await;
        assert!(scanned <= seconds + 1, "{scanned} queries in {seconds} s");
    });
}

#[test]
fn the_api_is_not_ready_when_migrations_are_missing_or_changed() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let api = Consumer::owner_of(&fixture).api.without_key();
        let _ = api.get("/readyz").await.expect(200);
        let database = fixture.database();
        let later = "INSERT INTO _sqlx_migrations SELECT version + 1000, description, installed_on, true, checksum, execution_time FROM _sqlx_migrations ORDER BY version DESC LIMIT 1";
        database.execute(later).await;
        // Longer than the answer may be old.
        let limit = Duration::from_millis(1200);
        holds_within("the API is ready", limit, async || {
            api.get("/readyz").await.status == 200
        })
        .await;

        for (breaks, mends) in [
            (
                "ALTER TABLE _sqlx_migrations RENAME TO away",
                "ALTER TABLE away RENAME TO _sqlx_migrations",
            ),
            (
                "UPDATE _sqlx_migrations SET checksum = checksum || '\\x00' WHERE version = 1",
                "UPDATE _sqlx_migrations SET checksum = substr(checksum, 1, length(checksum) - 1) WHERE version = 1",
            ),
        ] {
            database.execute(breaks).await;
            let reply = ready_within_its_age(&api, 503).await;
            assert_refused(&reply, 503, "UNAVAILABLE", &[]);
            assert!(reply.header("retry-after").is_some());
            assert!(
                !reply.error_message().contains("migration"),
                "the message exposes no internal details"
            );
            let _ = api.get("/healthz").await.expect(200);
            database.execute(mends).await;
            ready_within_its_age(&api, 200).await;
        }
    });
}

#[test]
fn the_healthcheck_command_reports_whether_the_api_responds() {
    story(async |fixtures| {
        let consumer = fixtures.consumer_on(StoreKind::File).await;
        let (_, port) = consumer
            .fixture
            .api()
            .base()
            .rsplit_once(':')
            .expect("a port");
        for (listen, code) in [(format!("0.0.0.0:{port}"), 0), ("0.0.0.0:1".to_owned(), 1)] {
            let environment = [("EXPORTS_LISTEN".to_owned(), listen)];
            let mut check = Process::start("exports-api", &["healthcheck"], environment);
            assert_eq!(check.wait().await.code(), Some(code), "{}", check.log());
            assert_eq!(check.log().lines().count(), usize::from(code == 1));
        }
    });
}
