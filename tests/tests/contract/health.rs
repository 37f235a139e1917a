//! `GET /healthz`, `GET /readyz`, and the start of the API.

use exports_tests::{Fixture, Process, StoreKind};
use reqwest::Method;

use crate::api::assert_refused;
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

#[test]
fn the_api_is_not_ready_when_migrations_are_missing_or_changed() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let api = Consumer::owner_of(&fixture).api.without_key();
        let _ = api.get("/readyz").await.expect(200);
        let database = fixture.database();
        let later = "INSERT INTO _sqlx_migrations SELECT version + 1000, description, installed_on, true, checksum, execution_time FROM _sqlx_migrations ORDER BY version DESC LIMIT 1";
        database.execute(later).await;
        let _ = api.get("/readyz").await.expect(200);

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
            let reply = api.get("/readyz").await;
            assert_refused(&reply, 503, "UNAVAILABLE", &[]);
            assert!(reply.header("retry-after").is_some());
            assert!(
                !reply.error_message().contains("migration"),
                "the message exposes no internal details"
            );
            let _ = api.get("/healthz").await.expect(200);
            database.execute(mends).await;
            let _ = api.get("/readyz").await.expect(200);
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
