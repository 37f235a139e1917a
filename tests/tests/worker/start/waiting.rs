//! Start while a dependency is not available yet.

use std::time::{Duration, Instant};

use exports_database::Database;
use exports_postgres::PoolPurpose;
use exports_tests::{Client, Process, Proxy, StoreKind, TIMEOUT, TestDatabase, eventually};

use super::PROGRAMS;
use crate::support::Fixture;

const WAITING: &str = "waiting for a dependency";

/// A program that waits, and a client for its probes.
async fn start_waiting(program: &str, environment: Vec<(String, String)>) -> (Process, Client) {
    let mut process = Process::start(program, &[], environment);
    let event = match program {
        "exports-api" => "listening",
        _ => "health listening",
    };
    let listening = process.wait_for_event(event).await;
    let client = Client::new(listening["address"].as_str().expect("an address"));
    let event = process.wait_for_event(WAITING).await;
    assert_eq!(event["level"], "WARN");
    (process, client)
}

fn with<'a>(needed: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let health = [("EXPORTS_HEALTH_LISTEN", "127.0.0.1:0")];
    [needed, &health, more].concat()
}

async fn becomes_ready(client: &Client) {
    eventually("the service is ready", TIMEOUT, async || {
        (client.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_its_database_and_answers_probes_meanwhile() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = Proxy::to_postgres(fixture.database().url()).await;
    let url = database.url(fixture.database().url());
    database.make_unavailable();
    let mut services = Vec::new();
    for (program, needed) in PROGRAMS {
        let environment = fixture.environment(&with(needed, &[("DATABASE_URL", &url)]));
        services.push(start_waiting(program, environment).await);
    }
    for (process, client) in &mut services {
        assert_eq!(client.get("/healthz").await.status, 200);
        let unready = client.get("/readyz").await;
        assert_eq!(unready.status, 503);
        let body = unready.json();
        if process.name() == "exports-api" {
            assert_eq!(body["error"]["code"], "UNAVAILABLE", "{body}");
            assert!(body["meta"]["request_id"].is_string(), "{body}");
            let refused = client.get("/v1/exports").await;
            assert_eq!(refused.status, 503);
            assert!(refused.header("retry-after").is_some());
            assert_eq!(client.get("/openapi.json").await.status, 200);
        } else {
            assert_eq!(body["status"], "unavailable", "{body}");
        }
        // A line every 10 s, with the last reason.
        let lines = eventually("two lines are logged", TIMEOUT, async || {
            let events = process.events().into_iter();
            let lines: Vec<_> = events.filter(|event| event["message"] == WAITING).collect();
            (lines.len() >= 2).then_some(lines)
        });
        let lines = lines.await;
        let waited = lines[1]["waited_s"].as_u64().expect("seconds");
        assert!((10..15).contains(&waited), "{:?}", lines[1]);
        for line in &lines {
            let error = line["error"].as_str().expect("a reason");
            assert!(error.starts_with("DATABASE_URL: "), "{error}");
        }
    }
    database.restore();
    for (process, client) in &mut services {
        becomes_ready(client).await;
        let event = process
            .wait_for_event("all dependencies are available")
            .await;
        assert!(event["waited_s"].as_u64() >= Some(10), "{event}");
        process.terminate();
        assert_eq!(process.wait().await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_the_migration() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let empty = TestDatabase::empty().await;
    let mut services = Vec::new();
    for (program, needed) in PROGRAMS {
        let environment = fixture.environment(&with(needed, &[("DATABASE_URL", empty.url())]));
        services.push(start_waiting(program, environment).await);
    }
    let url = empty.url().to_owned();
    let migrated = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Handle::current();
        runtime.block_on(async {
            let database = Database::new(&url, PoolPurpose::Command).expect("a usable URL");
            database.migrate().await.expect("the migrations apply");
        });
    });
    migrated.await.expect("migrated");
    for (process, client) in &mut services {
        becomes_ready(client).await;
        process.terminate();
        assert_eq!(process.wait().await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_its_store() {
    let fixture = Fixture::without_services(StoreKind::S3).await;
    let store = Proxy::to(fixture.s3().endpoint().trim_start_matches("http://")).await;
    store.make_unavailable();
    let endpoint = format!("http://{}", store.address());
    let mut services = Vec::new();
    for (program, needed) in PROGRAMS {
        let set = with(needed, &[("AWS_ENDPOINT_URL", &endpoint)]);
        services.push(start_waiting(program, fixture.environment(&set)).await);
    }
    store.restore();
    for (_, client) in &mut services {
        becomes_ready(client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_wait_at_once() {
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = Proxy::to_postgres(fixture.database().url()).await;
    let url = database.url(fixture.database().url());
    database.make_unavailable();
    for (program, needed) in PROGRAMS {
        let environment = fixture.environment(&with(needed, &[("DATABASE_URL", &url)]));
        let (mut process, _) = start_waiting(program, environment).await;
        let begun = Instant::now();
        process.terminate();
        assert_eq!(process.wait().await.code(), Some(0), "{program}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(2), "{program}: {took:?}");
    }
}

/// A server at an address of this machine that is not loopback, without TLS.
#[tokio::test(flavor = "multi_thread")]
async fn an_unencrypted_database_has_one_warning_at_the_start() {
    const WARNING: &str = "may be unencrypted";
    let fixture = Fixture::without_services(StoreKind::File).await;
    let database = Proxy::to_postgres(fixture.database().url()).await;
    let local = database.url(fixture.database().url());
    let remote = local.replace("127.0.0.1", "0.0.0.0");
    for (program, needed) in PROGRAMS {
        for (url, source, expected) in [
            (&local, &local, vec![]),
            (&remote, &local, vec!["DATABASE_URL"]),
            (
                &remote,
                &remote,
                vec!["DATABASE_URL", "EXPORTS_SOURCE_DATABASE_URL"],
            ),
        ] {
            let databases = [
                ("DATABASE_URL", url.as_str()),
                ("EXPORTS_SOURCE_DATABASE_URL", source.as_str()),
            ];
            let environment = fixture.environment(&with(needed, &databases));
            let mut process = Process::start(program, &[], environment);
            let event = match program {
                "exports-api" => "listening",
                _ => "worker started",
            };
            process.wait_for_event(event).await;
            let events = process.events().into_iter();
            let warnings = events.filter(|event| event.to_string().contains(WARNING));
            let warned: Vec<_> = warnings
                .map(|event| event["variable"].as_str().unwrap_or_default().to_owned())
                .collect();
            assert_eq!(warned, expected, "{program}");
        }
    }
}
