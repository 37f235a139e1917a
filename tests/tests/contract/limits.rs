//! Limits: 429 `RATE_LIMITED` with its headers, floods of wrong keys, slow statements.

use std::time::{Duration, Instant};

use exports_domain::{ExportStatus, LimitOverrides};
use exports_tests::{Client, Fixture, FixtureBuilder, Reply, Scrape, TIMEOUT, eventually};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::api::assert_refused;
use crate::shared::{Consumer, id_of, path, request, request_with, story};

const REQUESTS: &str = "EXPORTS_REQUESTS_PER_KEY";
const CREATES: &str = "EXPORTS_CREATES_PER_PROJECT";
const ACTIVE: &str = "EXPORTS_MAX_ACTIVE_PER_PROJECT";
const STORED: &str = "EXPORTS_MAX_STORED_BYTES_PER_PROJECT";

/// Fails unless the response is a 429 of this limit, and returns its `Retry-After`.
#[track_caller]
fn assert_limited(reply: &Reply, policy: &str, says: &[&str]) -> u64 {
    assert_refused(reply, 429, "RATE_LIMITED", says);
    let seconds = reply
        .header("retry-after")
        .expect("a 429 has `Retry-After`");
    let name = policy.split(';').next().unwrap();
    assert_eq!(reply.header("ratelimit-policy"), Some(policy));
    let limit = format!("{name};r=0;t={seconds}");
    assert_eq!(reply.header("ratelimit"), Some(&*limit));
    let seconds = seconds.parse().expect("whole seconds");
    assert!(seconds >= 1);
    seconds
}

/// An API without workers, whose exports stay pending. It runs with the rights that the API needs.
fn api() -> FixtureBuilder {
    Fixture::builder()
        .workers(0)
        .roles()
        .api_env("EXPORTS_METRICS_LISTEN", "127.0.0.1:0")
}

async fn scrape(fixture: &mut Fixture) -> String {
    let event = fixture
        .api_process()
        .wait_for_event("metrics listening")
        .await;
    event["address"].as_str().expect("an address").to_owned()
}

#[test]
fn requests_of_a_key_are_limited_with_a_burst_of_twice_the_rate() {
    story(async |_| {
        let mut fixture = api().api_env(REQUESTS, "5/1h").start().await;
        let metrics = scrape(&mut fixture).await;
        let consumer = Consumer::owner_of(&fixture);
        for number in 0..10 {
            // Every route under /v1 counts, also an unknown one.
            let path = ["/v1/exports", "/v1/nothing"][number % 2];
            let reply = consumer.api.get(path).await;
            assert_eq!(reply.status, [200, 404][number % 2], "{number}");
        }
        let policy = "\"requests\";q=5;w=3600";
        for path in ["/v1/exports", "/v1/nothing", "/v1/exports/no-uuid"] {
            let reply = consumer.api.get(path).await;
            let seconds = assert_limited(&reply, policy, &["requests per API key", "5/1h"]);
            assert!(seconds <= 720, "{seconds}");
        }
        let body = consumer.api.post("/v1/exports", &request()).await;
        assert_limited(&body, policy, &[]);
        // Neither another key nor what needs no key is limited.
        let other = Consumer::new_on(&fixture).await;
        let _ = other.api.get("/v1/exports").await.expect(200);
        let _ = consumer.api.get("/healthz").await.expect(200);
        let wrong = consumer.api.without_key().get("/v1/exports").await;
        assert_refused(&wrong, 401, "UNAUTHORIZED", &[]);
        let limited = |limit| [("limit", limit)];
        let scrape = Scrape::of(&metrics).await;
        let name = "exports_limited_requests_total";
        assert!((scrape.value(name, &limited("requests")) - 4.0).abs() < 0.1);
        assert!(scrape.value(name, &limited("active")).abs() < 0.1);
    });
}

#[test]
fn a_project_can_have_its_own_limits() {
    story(async |_| {
        let fixture = api().api_env(REQUESTS, "5/1h").start().await;
        let consumer = Consumer::owner_of(&fixture);
        let project = fixture.project_id();
        let own = LimitOverrides {
            requests: Some("off".parse().unwrap()),
            active: Some("1".parse().unwrap()),
            ..LimitOverrides::default()
        };
        assert!(
            fixture
                .storage()
                .set_project_limits(project, own)
                .await
                .unwrap()
        );
        for _ in 0..30 {
            let _ = consumer.api.get("/v1/exports").await.expect(200);
        }
        consumer.create(&request()).await;
        let reply = consumer.api.post("/v1/exports", &request()).await;
        assert_limited(&reply, "\"active\";q=1", &["exports per project is 1"]);
        // The defaults apply again within five seconds.
        let none = LimitOverrides::default();
        fixture
            .storage()
            .set_project_limits(project, none)
            .await
            .unwrap();
        let limit = Duration::from_secs(6);
        eventually("the default applies", limit, async || {
            (consumer.api.get("/v1/exports").await.status == 429).then_some(())
        })
        .await;
    });
}

#[test]
fn creates_of_a_project_are_limited_and_replays_are_not_counted() {
    story(async |_| {
        let fixture = api().api_env(CREATES, "3/1h").start().await;
        let consumer = Consumer::owner_of(&fixture);
        let first = consumer.api.post_keyed("first", &request()).await;
        let id = id_of(&first.expect(201).data());
        let again = consumer
            .api
            .post_keyed("first", &request())
            .await
            .expect(201);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        for _ in 0..2 {
            consumer.create(&request()).await;
        }
        let policy = "\"creates\";q=3;w=3600";
        let reply = consumer.api.post("/v1/exports", &request()).await;
        let seconds = assert_limited(&reply, policy, &["creates per project", "3/1h"]);
        assert!((3500..=3600).contains(&seconds), "{seconds}");
        // A deleted export does not give its create back.
        let failed = format!(
            "UPDATE exports SET status = 'failed', error_code = 'INTERNAL_ERROR', error_message = 'x' WHERE id <> '{id}'"
        );
        fixture.database().execute(failed).await;
        let all = consumer.api.get("/v1/exports?status=failed").await.data();
        for export in all.as_array().unwrap() {
            let _ = consumer.api.delete(&path(&id_of(export))).await.expect(204);
        }
        let new_key = consumer.api.post_keyed("new", &request()).await;
        assert_limited(&new_key, policy, &[]);
        // A replay works, and validation comes first.
        let again = consumer
            .api
            .post_keyed("first", &request())
            .await
            .expect(201);
        assert_eq!(id_of(&again.data()), id);
        let other = request_with(json!({"status": "queued"}));
        let mismatch = consumer.api.post_keyed("first", &other).await;
        assert_refused(&mismatch, 409, "IDEMPOTENCY_MISMATCH", &[]);
        let invalid = consumer.api.post("/v1/exports", &json!({})).await;
        assert_refused(&invalid, 400, "INVALID_REQUEST", &["start_time"]);
        // Another project has its own window, and reads are not limited.
        Consumer::new_on(&fixture).await.create(&request()).await;
        let _ = consumer.api.get("/v1/exports").await.expect(200);
        // In the next window everything is as in the first.
        let next =
            "UPDATE project_creates SET window_started_at = clock_timestamp() - interval '1 hour'";
        fixture.database().execute(next).await;
        consumer.create(&request()).await;
    });
}

#[test]
fn concurrent_creates_never_exceed_the_limit_of_active_exports() {
    story(async |_| {
        let fixture = api().api_env(ACTIVE, "7").start().await;
        let consumer = Consumer::owner_of(&fixture);
        let (body, keyed) = (
            request(),
            consumer.api.post_keyed("first", &request()).await,
        );
        let requests = (0..40).map(|_| consumer.api.post("/v1/exports", &body));
        let replies = join_all(requests).await;
        let created = replies.iter().filter(|reply| reply.status == 201);
        assert_eq!(created.count(), 6);
        for reply in replies.iter().filter(|reply| reply.status != 201) {
            let says = ["pending and processing exports", "is 7"];
            assert_eq!(assert_limited(reply, "\"active\";q=7", &says), 5);
        }
        let again = consumer
            .api
            .post_keyed("first", &request())
            .await
            .expect(201);
        assert_eq!(again.data()["id"], keyed.data()["id"]);
        // An export that ends makes room for one.
        let end = "UPDATE exports SET status = 'failed', error_code = 'INTERNAL_ERROR', error_message = 'x'
                   WHERE id IN (SELECT id FROM exports LIMIT 1)";
        fixture.database().execute(end).await;
        let requests = (0..10).map(|_| consumer.api.post("/v1/exports", &body));
        let replies = join_all(requests).await;
        assert_eq!(
            replies.iter().filter(|reply| reply.status == 201).count(),
            1
        );
    });
}

#[test]
fn the_stored_bytes_of_a_project_are_limited() {
    story(async |_| {
        let fixture = api().api_env(STORED, "240").start().await;
        let consumer = Consumer::owner_of(&fixture);
        // Files of 120 bytes. Expired ones do not count, even if they are not marked yet.
        let overdue = consumer
            .row(ExportStatus::Completed)
            .with_ago("expires_at", chrono::TimeDelta::minutes(1));
        for row in [
            overdue,
            consumer.row(ExportStatus::Expired),
            consumer.row(ExportStatus::Completed),
        ] {
            consumer.put(row).await;
        }
        consumer.create(&request()).await;
        let file = consumer.put(consumer.row(ExportStatus::Completed)).await;
        let reply = consumer.api.post("/v1/exports", &request()).await;
        assert_eq!(
            assert_limited(&reply, "\"stored_bytes\";q=240", &["stored bytes", "240"]),
            60
        );
        let _ = consumer.api.delete(&path(&file)).await.expect(204);
        consumer.create(&request()).await;
    });
}

/// The latency that 99 % of these requests have at most.
fn p99(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort_unstable();
    latencies[latencies.len() * 99 / 100]
}

/// Requests of a client with a valid key, for this time.
async fn good_requests(client: &Client, time: Duration) -> Vec<Duration> {
    let (begun, mut latencies) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let sent = Instant::now();
        assert_eq!(client.get("/v1/exports?limit=1").await.status, 200);
        latencies.push(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    latencies
}

/// Requests with wrong keys, each with another one, over one connection: two a second, so that the flood does not need the
/// processors that the API needs.
async fn wrong_keys(client: Client, number: u32, time: Duration) -> u32 {
    tokio::time::sleep(Duration::from_micros(2500) * number).await;
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        let digits = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let client = client.with_key(&format!("exk_{digits}"));
        assert_eq!(client.get("/v1/exports").await.status, 401);
        count += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    count
}

/// A good client's p99 moves by less than 2 x. The machine of the tests is noisy, so the test compares what causes it: the
/// number of database queries, which is exact.
#[test]
fn a_flood_of_wrong_keys_reaches_the_database_within_a_budget() {
    story(async |_| {
        let mut fixture = Fixture::builder()
            .workers(0)
            .api_env("EXPORTS_METRICS_LISTEN", "127.0.0.1:0")
            .start()
            .await;
        let metrics = scrape(&mut fixture).await;
        let good = fixture.api().clone();
        // Opens the connections of the pool.
        join_all((0..16).map(|_| good.get("/v1/exports"))).await;
        let time = Duration::from_secs(4);
        let alone = p99(good_requests(&good, time).await);
        // A client reads the certificates of the system, which takes long.
        let clients: Vec<_> = (0..200).map(|_| Client::new(good.base())).collect();
        let begun = Instant::now();
        let floods = (0..)
            .zip(clients)
            .map(|(number, client)| tokio::spawn(wrong_keys(client, number, time)));
        let floods: Vec<_> = floods.collect();
        let during = p99(good_requests(&good, time).await);
        let mut wrong = 0;
        for flood in floods {
            wrong += flood.await.unwrap();
        }
        let seconds = u32::try_from(begun.elapsed().as_secs()).unwrap() + 1;
        let scrape = Scrape::of(&metrics).await;
        let lookups = |result| scrape.value("exports_api_key_lookups_total", &[("result", result)]);
        let (confirmed, unknown) = (lookups("confirmed"), lookups("unknown"));
        println!(
            "p99 {alone:?}, during the flood {during:?}; {wrong} wrong keys, {unknown} look-ups"
        );
        assert!(wrong > 50 + 50 * seconds, "{wrong} wrong keys are no flood");
        assert!(
            unknown <= f64::from(50 + 50 * seconds),
            "{unknown} look-ups"
        );
        let refused = scrape.value("exports_api_key_refusals_total", &[("reason", "budget")]);
        assert!(
            (refused + unknown - f64::from(wrong)).abs() < 0.1,
            "{refused}"
        );
        // The good key was looked up every three seconds.
        assert!((1.0..=10.0).contains(&confirmed), "{confirmed}");
        assert!(lookups("failed").abs() < 0.1);
    });
}

/// A statement that waits for a lock is canceled by the server.
#[test]
fn a_slow_statement_is_503_and_leaves_connections_for_other_projects() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).start().await;
        let consumer = Consumer::owner_of(&fixture);
        let other = Consumer::new_on(&fixture).await;
        let _ = consumer.api.get("/v1/exports").await.expect(200);
        let mut lock = fixture.database().connect().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE exports")
            .execute(&mut lock)
            .await
            .unwrap();
        let begun = Instant::now();
        let slow = join_all((0..16).map(|_| consumer.api.get("/v1/exports")));
        // The other project's key is not in the cache: this request needs a connection.
        let fast = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let sent = Instant::now();
            let reply = other.api.send(Method::GET, "/v1/nothing", |it| it).await;
            (reply.status, sent.elapsed())
        };
        let (slow, (status, took)) = tokio::join!(slow, fast);
        for reply in &slow {
            assert_refused(reply, 503, "UNAVAILABLE", &["try again"]);
            assert!(reply.header("retry-after").is_some());
        }
        println!(
            "16 slow lists took {:?}, another project's request {took:?}",
            begun.elapsed()
        );
        assert_eq!(status, 404);
        assert!(took < Duration::from_secs(1), "{took:?}");
        drop(lock);
        eventually("lists work again", TIMEOUT, async || {
            (consumer.api.get("/v1/exports").await.status == 200).then_some(())
        })
        .await;
    });
}
