//! Progress, waiting, and event streams.

use std::time::{Duration, Instant};

use exports_database::{ClaimRequest, Leased, Progress, ProgressReport};
use exports_domain::{ExportStatus, Lease};
use exports_tests::{ExportRow, Fixture, FixtureBuilder, Message, Scrape, TIMEOUT, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, assert_refused};
use crate::shared::{Consumer, id_of, path, request, story};

/// Shorter than the time after which a lost notification is found.
const AT_ONCE: Duration = Duration::from_millis(2500);
/// The contract's bound, and what a busy machine adds.
const FIVE_SECONDS: Duration = Duration::from_millis(6500);

/// An event stream.
struct Stream {
    response: reqwest::Response,
    buffer: String,
}

#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Stream {
    async fn open(api: &Api, path: &str, last_event_id: Option<&str>) -> Self {
        let client = exports_tests::Client::new(api.base()).with_key(api.key());
        let mut request = client
            .request(Method::GET, path)
            .timeout(Duration::from_mins(5));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/event-stream");
        assert!(response.headers().contains_key("x-request-id"));
        let buffer = String::new();
        Self { response, buffer }
    }

    async fn of(api: &Api, id: &str) -> Self {
        Self::open(api, &format!("{}/events", path(id)), None).await
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        self.next_within(TIMEOUT).await
    }

    async fn next_within(&mut self, limit: Duration) -> Option<Event> {
        let next = tokio::time::timeout(limit, self.read());
        next.await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                let Some(name) = field("event") else {
                    continue;
                };
                return Some(Event {
                    name: name.to_owned(),
                    id: field("id").map(str::to_owned),
                    data: serde_json::from_str(field("data").unwrap()).unwrap(),
                });
            }
            // A server that ends breaks the connection or ends the stream.
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// An API without workers, whose exports change only when the test changes them.
fn idle() -> FixtureBuilder {
    Fixture::builder()
        .workers(0)
        .roles()
        .api_env("EXPORTS_METRICS_LISTEN", "127.0.0.1:0")
}

/// Fails an export by SQL, without a notification.
async fn fail(fixture: &Fixture, id: &str) {
    let sql = format!(
        "UPDATE exports SET status = 'failed', lease_expires_at = NULL, lease_owner = NULL, error_code = 'INTERNAL_ERROR', error_message = 'x' WHERE id = '{id}'"
    );
    fixture.database().execute(sql).await;
}

async fn prefer(
    api: &Api,
    method: Method,
    path: &str,
    wait: &str,
    body: &Value,
) -> exports_tests::Reply {
    let wait = wait.to_owned();
    let body = (method == Method::POST).then(|| body.clone());
    api.send(method, path, |request| {
        let request = request.header("Prefer", wait);
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    })
    .await
}

#[test]
fn a_create_that_waits_returns_the_completed_export() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let message = Message::outbound(&consumer.project);
        consumer.fixture.insert_messages(&[message]).await;
        let begun = Instant::now();
        let reply = prefer(
            &consumer.api,
            Method::POST,
            "/v1/exports",
            "wait=30",
            &request(),
        )
        .await;
        let reply = reply.expect(201);
        assert_eq!(reply.header("preference-applied"), Some("wait=30"));
        let export = reply.data();
        assert_eq!(export["status"], "completed", "{export:#}");
        assert_eq!(export["row_count"], 1);
        assert!(begun.elapsed() < Duration::from_secs(20));
        let at = |name: &str| -> chrono::DateTime<chrono::Utc> {
            export[name].as_str().expect(name).parse().unwrap()
        };
        assert!(at("created_at") <= at("snapshot_at"));
        assert!(at("snapshot_at") <= at("completed_at"));
        assert!(export.get("progress").is_none());
    });
}

#[test]
fn a_wait_ends_after_its_time_with_the_export_as_it_is() {
    story(async |_| {
        let fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let begun = Instant::now();
        let created = prefer(
            &consumer.api,
            Method::POST,
            "/v1/exports",
            "wait=1",
            &request(),
        )
        .await;
        let export = created.expect(201).data();
        assert_eq!(export["status"], "pending");
        assert!(begun.elapsed() >= Duration::from_secs(1));
        let id = id_of(&export);

        let begun = Instant::now();
        let reply = consumer
            .api
            .get(&format!("{}?wait=1", path(&id)))
            .await
            .expect(200);
        assert!(begun.elapsed() >= Duration::from_secs(1));
        assert_eq!(reply.data()["status"], "pending");
        assert!(
            reply.header("preference-applied").is_none(),
            "no preference was given"
        );
        let etag = reply.header("etag").unwrap().to_owned();

        // The query has precedence over the preference.
        let begun = Instant::now();
        let reply = consumer
            .api
            .send(Method::GET, &format!("{}?wait=0", path(&id)), |request| {
                request.header("Prefer", "wait=30")
            })
            .await
            .expect(200);
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(reply.header("preference-applied").is_none());

        let conditional = |wait: &str| {
            let (etag, path) = (etag.clone(), format!("{}?wait={wait}", path(&id)));
            let api = consumer.api.clone();
            async move {
                let with_etag =
                    |request: reqwest::RequestBuilder| request.header("If-None-Match", etag);
                api.send(Method::GET, &path, with_etag).await
            }
        };
        let begun = Instant::now();
        let _ = conditional("1").await.expect(304);
        assert!(begun.elapsed() >= Duration::from_secs(1));
        let (reply, ()) = tokio::join!(conditional("30"), fail(&fixture, &id));
        assert_eq!(reply.expect(200).data()["status"], "failed");
        // It has ended, so there is nothing to wait for.
        let begun = Instant::now();
        let _ = consumer
            .api
            .get(&format!("{}?wait=60", path(&id)))
            .await
            .expect(200);
        assert!(begun.elapsed() < Duration::from_secs(20));
    });
}

#[test]
fn waits_have_bounds_and_preferences_are_never_an_error() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = consumer.put(consumer.row(ExportStatus::Failed)).await;
        for bad in ["61", "-1", "1.5", "x", "%2B1"] {
            let reply = consumer.api.get(&format!("{}?wait={bad}", path(&id))).await;
            assert_refused(&reply, 400, "INVALID_REQUEST", &["wait", "from 0 to 60"]);
        }
        for (given, applied) in [
            ("wait=0", Some("wait=0")),
            ("respond-async, WAIT=\"7\"", Some("wait=7")),
            ("wait=600", Some("wait=60")),
            ("wait=x", None),
            ("wait", None),
        ] {
            let reply = prefer(&consumer.api, Method::GET, &path(&id), given, &json!(null)).await;
            let reply = reply.expect(200);
            assert_eq!(reply.header("preference-applied"), applied, "{given}");
        }
        let unknown = uuid::Uuid::now_v7();
        for suffix in ["?wait=5", "/events"] {
            let reply = consumer
                .api
                .get(&format!("/v1/exports/{unknown}{suffix}"))
                .await;
            assert_refused(&reply, 404, "NOT_FOUND", &[]);
        }
        let stranger = fixtures.consumer().await;
        for suffix in ["?wait=5", "/events"] {
            let reply = stranger.api.get(&format!("{}{suffix}", path(&id))).await;
            assert_refused(&reply, 404, "NOT_FOUND", &[]);
        }
    });
}

#[test]
fn an_event_stream_shows_every_state_and_ends_with_the_export() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let mut all = Stream::open(&consumer.api, "/v1/exports/events", None).await;
        let id = id_of(&consumer.create(&request()).await);
        let mut stream = Stream::of(&consumer.api, &id).await;
        let mut last = None;
        while let Some(event) = stream.next().await {
            assert_eq!((&*event.name, &event.data["id"]), ("export", &json!(id)));
            last = Some(event);
        }
        let last = last.expect("an event");
        assert_eq!(last.data["status"], "completed");
        assert_eq!(
            last.data,
            consumer.get(&id).await,
            "the event is the export object"
        );

        // Nothing has changed since: no event, and the stream ends.
        let events = format!("{}/events", path(&id));
        let mut again = Stream::open(&consumer.api, &events, last.id.as_deref()).await;
        assert!(again.next().await.is_none());
        let mut other = Stream::open(&consumer.api, &events, Some("other")).await;
        assert_eq!(other.next().await.unwrap().id, last.id);

        // The stream of the project has the same events and does not end.
        loop {
            let event = all.next().await.unwrap();
            assert_eq!((&*event.name, &event.data["id"]), ("export", &json!(id)));
            if event.data["status"] == "completed" {
                assert_eq!(event.id, last.id);
                break;
            }
        }
        assert_eq!(consumer.api.delete(&path(&id)).await.status, 204);
        let deleted = all.next_within(AT_ONCE).await.unwrap();
        assert_eq!(
            (&*deleted.name, deleted.data),
            ("deleted", json!({ "id": id }))
        );
        let stranger = fixtures.consumer().await;
        stranger.create(&request()).await;
        let mut fresh = Stream::open(&consumer.api, "/v1/exports/events", None).await;
        let second = id_of(&consumer.create(&request()).await);
        for stream in [&mut all, &mut fresh] {
            assert_eq!(stream.next().await.unwrap().data["id"], second);
        }
    });
}

#[test]
fn a_lost_notification_is_found_and_a_lost_database_connection_ends_no_stream() {
    story(async |_| {
        let fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let one = id_of(&consumer.create(&request()).await);
        let mut all = Stream::open(&consumer.api, "/v1/exports/events", None).await;
        assert_eq!(all.next().await.unwrap().data["id"], one);
        let mut stream = Stream::of(&consumer.api, &one).await;
        assert_eq!(stream.next().await.unwrap().data["status"], "pending");
        let watched = consumer.clone_of();
        let poll = tokio::spawn({
            let (api, path) = (watched, format!("{}?wait=30", path(&one)));
            async move { api.get(&path).await }
        });
        // Like a restart of the server, which closes every connection.
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename LIKE '%api%'";
        let killed = fixture.database().value(kill).await;
        assert!(killed.as_u64().unwrap() > 0);
        fail(&fixture, &one).await;
        let begun = Instant::now();
        let event = stream.next_within(FIVE_SECONDS).await.unwrap();
        assert_eq!(event.data["status"], "failed");
        assert!(stream.next().await.is_none());
        let event = all.next_within(FIVE_SECONDS).await.unwrap();
        assert_eq!(event.data["status"], "failed");
        assert_eq!(poll.await.unwrap().expect(200).data()["status"], "failed");
        assert!(begun.elapsed() < FIVE_SECONDS);

        // Also what is created and has ended without any notification.
        let row = ExportRow::of(fixture.project(), ExportStatus::Failed)
            .with_ago("created_at", chrono::TimeDelta::zero());
        let row = row.with("started_at", Value::Null).with("attempt", 0);
        let other = row.insert(fixture.database().pool()).await.to_string();
        let event = all.next_within(FIVE_SECONDS).await.unwrap();
        assert_eq!(event.data["id"], other);
        fixture
            .database()
            .execute(format!("DELETE FROM exports WHERE id = '{other}'"))
            .await;
        let event = all.next_within(FIVE_SECONDS).await.unwrap();
        assert_eq!(
            (&*event.name, &event.data["id"]),
            ("deleted", &json!(other))
        );
    });
}

impl Consumer<'_> {
    fn clone_of(&self) -> Api {
        self.api.clone()
    }
}

#[test]
fn a_change_is_seen_at_once_by_every_api_process() {
    story(async |_| {
        let fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let (_process, other) = fixture.another_api().await;
        let other = Api::new(other);
        let mut streams = Vec::new();
        for api in [&consumer.api, &other] {
            streams.push(Stream::open(api, "/v1/exports/events", None).await);
        }
        // The listeners may not be connected yet; what they missed is found later.
        let first = id_of(&consumer.create(&request()).await);
        for stream in &mut streams {
            assert_eq!(stream.next().await.unwrap().data["id"], first);
        }
        let listens = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        eventually("both processes listen", TIMEOUT, async || {
            (fixture.database().value(listens).await == 2).then_some(())
        })
        .await;
        let second = id_of(
            &other
                .post("/v1/exports", &request())
                .await
                .expect(201)
                .data(),
        );
        for stream in &mut streams {
            let event = stream.next_within(AT_ONCE).await.unwrap();
            assert_eq!(event.data["id"], second);
        }
    });
}

#[test]
fn a_revoked_key_ends_its_streams_within_five_seconds() {
    story(async |_| {
        let fixture = idle().start().await;
        let owner = Consumer::owner_of(&fixture);
        let revoked = Consumer::new_on(&fixture).await;
        let id = id_of(&owner.create(&request()).await);
        let mut kept = Stream::of(&owner.api, &id).await;
        assert!(kept.next().await.is_some());
        let mut stream = Stream::open(&revoked.api, "/v1/exports/events", None).await;
        let theirs = id_of(&revoked.create(&request()).await);
        assert_eq!(stream.next().await.unwrap().data["id"], theirs);
        let poll = tokio::spawn({
            let (api, path) = (revoked.api.clone(), format!("{}?wait=30", path(&theirs)));
            async move { api.get(&path).await }
        });
        let keys = fixture.storage().revoke_keys(revoked.api.key()).await;
        assert_eq!(keys.unwrap().len(), 1);
        assert!(stream.next_within(FIVE_SECONDS).await.is_none());
        assert_refused(&poll.await.unwrap(), 401, "UNAUTHORIZED", &[]);
        fail(&fixture, &id).await;
        let event = kept.next().await.unwrap();
        assert_eq!(event.data["status"], "failed", "the other stream lives");
    });
}

#[test]
fn waiting_requests_of_a_project_are_limited() {
    story(async |_| {
        let mut fixture = idle()
            .api_env("EXPORTS_MAX_STREAMS_PER_PROJECT", "2")
            .start()
            .await;
        let metrics = fixture
            .api_process()
            .wait_for_event("metrics listening")
            .await;
        let metrics = metrics["address"].as_str().unwrap().to_owned();
        let consumer = Consumer::owner_of(&fixture);
        let id = id_of(&consumer.create(&request()).await);
        let first = Stream::of(&consumer.api, &id).await;
        let _second = Stream::open(&consumer.api, "/v1/exports/events", None).await;
        for suffix in ["?wait=1", "/events"] {
            let reply = consumer.api.get(&format!("{}{suffix}", path(&id))).await;
            assert_refused(
                &reply,
                429,
                "RATE_LIMITED",
                &["waiting and event-stream", "is 2"],
            );
            assert_eq!(reply.header("ratelimit-policy"), Some("\"streams\";q=2"));
        }
        let reply = prefer(
            &consumer.api,
            Method::POST,
            "/v1/exports",
            "wait=1",
            &request(),
        )
        .await;
        assert_refused(&reply, 429, "RATE_LIMITED", &[]);
        let list = consumer.api.get("/v1/exports").await.expect(200).data();
        assert_eq!(list.as_array().unwrap().len(), 1, "nothing was created");
        consumer.get(&id).await;
        let open = async |kind: &str| {
            let scrape = Scrape::of(&metrics).await;
            scrape.value("exports_open_waiters", &[("kind", kind)])
        };
        assert!((open("stream").await - 2.0).abs() < 0.1);
        let another = Consumer::new_on(&fixture).await;
        let theirs = id_of(&another.create(&request()).await);
        drop(Stream::of(&another.api, &theirs).await);
        drop(first);
        eventually("the streams are closed", TIMEOUT, async || {
            ((open("stream").await - 1.0).abs() < 0.1).then_some(())
        })
        .await;
        let _ = consumer
            .api
            .get(&format!("{}?wait=1", path(&id)))
            .await
            .expect(200);
        assert!(open("wait").await < 0.1);
    });
}

#[test]
fn a_shutdown_answers_waiting_requests_at_once() {
    story(async |_| {
        let mut fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let (api, id) = (
            consumer.api.clone(),
            id_of(&consumer.create(&request()).await),
        );
        let mut stream = Stream::of(&api, &id).await;
        assert!(stream.next().await.is_some());
        let mut all = Stream::open(&api, "/v1/exports/events", None).await;
        assert!(all.next().await.is_some());
        let poll = tokio::spawn({
            let (api, path) = (api.clone(), format!("{}?wait=60", path(&id)));
            async move { api.get(&path).await }
        });
        let metrics = fixture
            .api_process()
            .wait_for_event("metrics listening")
            .await;
        let metrics = metrics["address"].as_str().unwrap().to_owned();
        eventually("the request waits", TIMEOUT, async || {
            let scrape = Scrape::of(&metrics).await;
            (scrape.value("exports_open_waiters", &[("kind", "wait")]) > 0.5).then_some(())
        })
        .await;
        fixture.api_process().terminate();
        let begun = Instant::now();
        assert_eq!(poll.await.unwrap().expect(200).data()["status"], "pending");
        assert!(stream.next().await.is_none() && all.next().await.is_none());
        assert_eq!(fixture.api_process().wait().await.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(15));
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "the story of one export")]
fn progress_is_that_of_the_queue_or_of_the_running_attempt() {
    story(async |_| {
        let fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let other = Consumer::new_on(&fixture).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(id_of(&consumer.create(&request()).await));
        }
        let theirs = id_of(&other.create(&request()).await);
        let position = async |consumer: &Consumer<'_>, id: &str| {
            consumer.get(id).await["progress"]["queue_position"].clone()
        };
        // Fair between projects: the other project's first export is the second one.
        eventually("the positions are those of claims", TIMEOUT, async || {
            let all = [
                position(&consumer, &ids[0]).await,
                position(&other, &theirs).await,
                position(&consumer, &ids[1]).await,
                position(&consumer, &ids[2]).await,
            ];
            (all == [json!(1), json!(2), json!(3), json!(4)]).then_some(())
        })
        .await;
        let list = consumer
            .api
            .get("/v1/exports?status=pending")
            .await
            .expect(200)
            .data();
        assert_eq!(list[0]["progress"], json!({ "queue_position": 4 }));

        let mut stream = Stream::of(&consumer.api, &ids[0]).await;
        assert_eq!(
            stream.next().await.unwrap().data["progress"],
            json!({ "queue_position": 1 })
        );
        let claim = ClaimRequest {
            owner: "worker-1",
            limit: 1,
            lease: Duration::from_mins(1),
            max_attempts: 5,
            hints: std::sync::Arc::default(),
            last_slot_reserved: false,
            borrowers: Vec::new(),
        };
        let lease = fixture.storage().claim(&claim).await.unwrap()[0].lease;
        assert_eq!(lease.export.to_string(), ids[0]);
        let export = consumer.get(&ids[0]).await;
        assert_eq!(
            export["progress"],
            json!({ "rows_written": 0, "bytes_written": 0, "updated_at": export["started_at"] })
        );
        let report = async |lease: Lease, rows, percent| {
            let report = ProgressReport {
                progress: Progress {
                    rows,
                    bytes: rows * 100,
                },
                percent,
                seconds_remaining: Some(4),
            };
            fixture
                .storage()
                .report_progress(lease, report)
                .await
                .unwrap()
        };
        assert_eq!(report(lease, 10, Some(37)).await, Leased::Held(()));
        assert_eq!(report(lease, 20, Some(30)).await, Leased::Held(()));
        let mut progress = consumer.get(&ids[0]).await["progress"].clone();
        progress
            .as_object_mut()
            .unwrap()
            .remove("updated_at")
            .expect("a time");
        assert_eq!(
            progress,
            json!({ "rows_written": 20, "bytes_written": 2000, "percent": 37, "estimated_seconds_remaining": 4 })
        );
        let wrong = Lease {
            token: exports_domain::LeaseToken(uuid::Uuid::now_v7()),
            ..lease
        };
        assert_eq!(report(wrong, 30, None).await, Leased::Lost);
        loop {
            let event = stream.next_within(FIVE_SECONDS).await.unwrap();
            if event.data["progress"]["percent"] == 37 {
                break;
            }
            assert_eq!(
                event.data["progress"]["rows_written"], 0,
                "an earlier state"
            );
        }

        // The figures of an earlier attempt are never shown.
        let next = format!(
            "UPDATE exports SET lease_token = gen_random_uuid() WHERE id = '{}'",
            ids[0]
        );
        fixture.database().execute(next).await;
        assert_eq!(consumer.get(&ids[0]).await["progress"]["rows_written"], 0);
        fail(&fixture, &ids[0]).await;
        assert!(consumer.get(&ids[0]).await.get("progress").is_none());
    });
}

#[test]
fn the_percentage_of_a_running_export_never_falls() {
    story(async |_| {
        const ROWS: u32 = 600_000;
        let fixture = Fixture::builder()
            .worker_env("EXPORTS_READERS", "1")
            .start()
            .await;
        let consumer = Consumer::owner_of(&fixture);
        let project = fixture.project();
        fixture
            .database()
            .execute(format!(
                "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at) \
                 SELECT gen_random_uuid(), '{project}', 'outbound', gen_random_uuid(), 'succeeded', 1, \
                        timestamptz '2025-12-02 00:00:00Z' + number * interval '0.1 seconds' \
                 FROM generate_series(1, {ROWS}) number"
            ))
            .await;
        let id = id_of(&consumer.create(&request()).await);
        let mut stream = Stream::of(&consumer.api, &id).await;
        let (mut seen, mut last) = (Vec::new(), None);
        while let Some(event) = stream.next().await {
            let progress = &event.data["progress"];
            if progress["rows_written"]
                .as_u64()
                .is_some_and(|rows| rows > 0)
            {
                let number = |name: &str| progress[name].as_u64();
                seen.push((
                    number("rows_written").unwrap(),
                    number("percent"),
                    Instant::now(),
                ));
            }
            last = Some(event.data);
        }
        let last = last.unwrap();
        assert_eq!(
            (&last["status"], &last["row_count"]),
            (&json!("completed"), &json!(ROWS))
        );
        assert!(last.get("progress").is_none());
        assert!(!seen.is_empty(), "the export is too short for this test");
        for pair in seen.windows(2) {
            let ((rows, percent, at), (more, later, then)) = (pair[0], pair[1]);
            assert!(rows <= more && percent <= later, "{seen:?}");
            assert!(then - at > Duration::from_millis(900), "{seen:?}");
        }
        assert!(
            seen.iter().all(|(rows, percent, _)| {
                let real = rows * 100 / u64::from(ROWS);
                percent.is_some_and(|percent| percent.abs_diff(real) <= 15)
            }),
            "{seen:?}"
        );
        // The reports are removed.
        eventually("the report is removed", TIMEOUT, async || {
            let left = fixture
                .database()
                .value("SELECT count(*) FROM export_progress")
                .await;
            (left == 0).then_some(())
        })
        .await;
    });
}
