//! A restart of the database under requests that wait.

use std::time::{Duration, Instant};

use exports_database::Database;
use exports_domain::ProjectId;
use exports_postgres::PoolPurpose;
use exports_sandbox::{LocalPostgres, Shutdown};
use exports_tests::{
    Client, Process, SIGNING_KEY, Scrape, TIMEOUT, eventually, holds_within, not_run,
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::task::{block_in_place, spawn_blocking};

use crate::api::Api;
use crate::event_stream::{FIVE_SECONDS, Stream, fail_sql};
use crate::shared::{id_of, path, request, story};

/// An API with a database server of its own.
struct Service {
    api: Api,
    metrics: String,
    process: Process,
    postgres: LocalPostgres,
    _store: TempDir,
}

impl Service {
    /// `None` if the server is a container, which cannot be restarted.
    async fn start() -> Option<Self> {
        let postgres = spawn_blocking(LocalPostgres::start).await.unwrap().unwrap();
        postgres.folder()?;
        let database = Database::new(&postgres.url(), PoolPurpose::Command).unwrap();
        database.migrate().await.unwrap();
        let project: ProjectId = "proj_abc123".parse().unwrap();
        assert!(database.create_project(&project).await.unwrap());
        let key = database.create_key(&project, None).await.unwrap().unwrap();
        database.close().await;

        let store = tempfile::tempdir().unwrap();
        let store_url = format!("file://{}", store.path().display());
        let postgres_url = postgres.url();
        let variables = [
            ("DATABASE_URL", postgres_url.as_str()),
            ("EXPORTS_OBJECT_STORE_URL", &store_url),
            ("EXPORTS_SIGNING_KEY", SIGNING_KEY),
            ("EXPORTS_LISTEN", "127.0.0.1:0"),
            ("EXPORTS_METRICS_LISTEN", "127.0.0.1:0"),
            ("EXPORTS_LOG_FORMAT", "json"),
        ];
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut process = Process::start("exports-api", &[], owned);
        let client = Client::new(&process.wait_for_address().await);
        let metrics = process.wait_for_event("metrics listening").await;
        let service = Self {
            api: Api::new(client.with_key(&key.secret)),
            metrics: metrics["address"].as_str().unwrap().to_owned(),
            process,
            postgres,
            _store: store,
        };
        service.until_readiness_is(200).await;
        Some(service)
    }

    async fn until_readiness_is(&self, status: u16) {
        let probe = Client::new(self.api.base());
        eventually(&format!("/readyz is {status}"), TIMEOUT, async || {
            (probe.get("/readyz").await.status == status).then_some(())
        })
        .await;
    }

    async fn until_waiting(&self, kind: &str, count: f64) {
        eventually("the requests wait", TIMEOUT, async || {
            let open = Scrape::of(&self.metrics).await;
            let open = open.value("exports_open_waiters", &[("kind", kind)]);
            ((open - count).abs() < 0.1).then_some(())
        })
        .await;
    }
}

#[test]
fn a_restart_of_the_database_ends_no_stream_and_no_wait() {
    story(async |_| {
        let Some(service) = Service::start().await else {
            not_run("the private server is a container, and the tests cannot restart it");
            return;
        };
        let api = &service.api;
        let mut all = Stream::open(api, "/v1/exports/events", None).await;
        for how in [Shutdown::Fast, Shutdown::Immediate] {
            let created = api.post("/v1/exports", &request()).await.expect(201);
            let id = id_of(&created.data());
            assert_eq!(all.next_within(FIVE_SECONDS).await.unwrap().data["id"], id);
            let mut one = Stream::of(api, &id).await;
            assert_eq!(one.next().await.unwrap().data["status"], "pending");
            let polls: Vec<_> = ["?wait=60", "?wait=59"]
                .map(|wait| {
                    let (api, path) = (api.clone(), format!("{}{wait}", path(&id)));
                    tokio::spawn(async move { api.get(&path).await })
                })
                .into();
            service.until_waiting("wait", 2.0).await;

            // The server of the tests commits asynchronously: an immediate shutdown would lose the export.
            let mut connection = PgConnection::connect(&service.postgres.url())
                .await
                .unwrap();
            connection.execute("CHECKPOINT").await.unwrap();
            block_in_place(|| service.postgres.stop_server(how)).unwrap();
            service.until_readiness_is(503).await;
            holds_within("all wait", Duration::from_secs(3), async || {
                polls.iter().all(|poll| !poll.is_finished())
            })
            .await;
            service.until_waiting("stream", 2.0).await;

            eventually("the server starts", TIMEOUT, async || {
                block_in_place(|| service.postgres.start_server()).ok()
            })
            .await;
            let begun = Instant::now();
            let mut connection = PgConnection::connect(&service.postgres.url())
                .await
                .unwrap();
            // Without a notification.
            sqlx::raw_sql(AssertSqlSafe(fail_sql(&id)))
                .execute(&mut connection)
                .await
                .unwrap();
            for stream in [&mut one, &mut all] {
                let event = stream.next_within(FIVE_SECONDS).await.unwrap();
                assert_eq!(event.data["id"], *id);
                assert_eq!(event.data["status"], "failed");
            }
            assert!(one.next().await.is_none(), "the export has ended");
            for poll in polls {
                assert_eq!(poll.await.unwrap().expect(200).data()["status"], "failed");
            }
            let took = begun.elapsed();
            println!("{how:?}: {took:?} after the start of the server");
            assert!(took < FIVE_SECONDS, "{took:?}");
            service.until_readiness_is(200).await;
        }
        let Service {
            mut process,
            postgres,
            ..
        } = service;
        process.terminate();
        assert_eq!(process.wait().await.code(), Some(0));
        spawn_blocking(|| postgres.stop()).await.unwrap().unwrap();
    });
}
