//! What the services log while a dependency is unavailable.

use std::time::Duration;

use exports_tests::{Fixture, Process, StoreKind, TIMEOUT, eventually};
use serde_json::{Value, json};

const BEGINS: &str = "the database is unavailable";
const ENDS: &str = "the database is available again";
const OUTAGE: Duration = Duration::from_secs(5);

fn with_message<'a>(events: &'a [Value], message: &str) -> Vec<&'a Value> {
    let found = events.iter().filter(|event| event["message"] == message);
    found.collect()
}

/// Fails if a line is not one JSON object, or has a field twice: a repeated key, or a field of the span.
fn assert_no_field_is_repeated(log: &str) {
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        // A repeated key is lost in `event`, so its text is shorter.
        let text = serde_json::to_string(&event).expect("JSON");
        assert_eq!(text.len(), line.len(), "a key is repeated: {line}");
        assert!(event["spans"].is_null(), "{line}");
        // A line of the audit trail is complete without its span.
        if event["target"] == "audit" {
            continue;
        }
        let span = event["span"].as_object();
        for name in span.into_iter().flatten().map(|(name, _)| name) {
            assert!(event.get(name).is_none(), "{name} is repeated: {line}");
        }
    }
}

fn assert_one_outage(log: &str, events: &[Value]) {
    assert_no_field_is_repeated(log);
    let begins = with_message(events, BEGINS);
    assert_eq!(begins.len(), 1, "{log}");
    assert_eq!(begins[0]["level"], "WARN");
    assert!(begins[0]["error"].is_string(), "{}", begins[0]);
    let ends = with_message(events, ENDS);
    assert_eq!(ends.len(), 1, "{log}");
    assert_eq!(ends[0]["level"], "INFO");
    assert!(ends[0]["failures"].as_u64() >= Some(1), "{}", ends[0]);
    assert!(ends[0]["duration_ms"].is_u64(), "{}", ends[0]);
    let loud = |event: &&Value| event["level"] == "WARN" || event["level"] == "ERROR";
    let loud: Vec<_> = events.iter().filter(loud).collect();
    // The start of the outage, and at most one more for an export that was running.
    assert!(loud.len() <= 2, "{loud:#?}");
}

async fn wait_for_end(process: &mut Process) -> (String, Vec<Value>) {
    process.wait_for_event(ENDS).await;
    (process.log(), process.events())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_database_has_two_lines_in_each_log() {
    let mut fixture = Fixture::builder().database_proxy().start().await;
    fixture.insert_one_message().await;
    let body = json!({"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-07T00:00:00Z"});
    let created = fixture.create_export(body.clone()).await;
    let id = created["id"].as_str().expect("an id").to_owned();
    fixture.wait_until(&id, "completed").await;

    fixture.database_proxy().make_unavailable();
    let begun = tokio::time::Instant::now();
    let mut refused = 0;
    while begun.elapsed() < OUTAGE {
        let path = format!("/v1/exports/{id}");
        let requests = (0..8).map(|_| fixture.api().get(&path));
        let replies = futures_util::future::join_all(requests).await;
        refused += replies.iter().filter(|reply| reply.status == 503).count();
    }
    assert!(refused > 8, "{refused} requests were refused");
    fixture.database_proxy().restore();
    eventually("the database is used again", TIMEOUT, async || {
        let reply = fixture.api().post("/v1/exports", &body).await;
        (reply.status == 201).then_some(())
    })
    .await;

    let (log, events) = wait_for_end(fixture.api_process()).await;
    assert_one_outage(&log, &events);
    // Requests met the whole outage. A worker notices it when it polls, and counts from then on.
    let end = with_message(&events, ENDS)[0];
    assert!(end["failures"].as_u64() > Some(1), "{end}");
    assert!(end["duration_ms"].as_u64() > Some(1000), "{end}");
    let unavailable = events.iter().filter(|event| event["status"] == 503);
    for event in unavailable {
        assert_eq!(event["level"], "INFO", "{event}");
        assert!(event["error"].is_string(), "{event}");
    }
    let (log, events) = wait_for_end(fixture.worker_process(0)).await;
    assert_one_outage(&log, &events);
}

/// The verifier of a role's password, with which it can be set again.
async fn verifier(fixture: &Fixture, role: &str) -> String {
    let sql = format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'");
    let verifier = fixture.database().value(&sql).await;
    verifier.as_str().expect("a password").to_owned()
}

/// The server refuses new connections while the services run. They answer 503, log its words and recover.
#[tokio::test(flavor = "multi_thread")]
async fn refused_connections_are_an_outage_in_the_words_of_the_server() {
    let mut fixture = Fixture::builder().roles().start().await;
    fixture.insert_one_message().await;
    let body = json!({"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-07T00:00:00Z"});
    let created = fixture.create_export(body.clone()).await;
    let id = created["id"].as_str().expect("an id").to_owned();
    fixture.wait_until(&id, "completed").await;
    let roles = ["api", "worker"].map(|name| format!("{}_{name}", fixture.database().name()));
    let verifiers = [
        verifier(&fixture, &roles[0]).await,
        verifier(&fixture, &roles[1]).await,
    ];
    for (refuse, words) in [
        (
            "PASSWORD 'another'",
            "password authentication failed for user",
        ),
        ("CONNECTION LIMIT 0", "too many connections for role"),
    ] {
        let lines = [0, 1].map(|index| {
            let log = match index {
                0 => fixture.api_log(),
                _ => fixture.worker_process(0).log(),
            };
            log.matches(ENDS).count()
        });
        for role in &roles {
            let sql = format!("ALTER ROLE \"{role}\" {refuse}");
            fixture.database().execute(sql).await;
            let sql = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
            );
            fixture.database().execute(sql).await;
        }
        let path = format!("/v1/exports/{id}");
        for _ in 0..2 {
            let requests = (0..40).map(|_| fixture.api().get(&path));
            for reply in futures_util::future::join_all(requests).await {
                assert_eq!(reply.status, 503, "{refuse}: {}", reply.text());
                assert!(reply.header("retry-after").is_some());
            }
        }
        let post = fixture.api().post("/v1/exports", &body).await;
        assert_eq!(post.status, 503, "{refuse}: {}", post.text());
        for index in [0, 1] {
            let event = eventually("the outage is logged", TIMEOUT, async || {
                let events = match index {
                    0 => fixture.api_process().events(),
                    _ => fixture.worker_process(0).events(),
                };
                with_message(&events, BEGINS)
                    .into_iter()
                    .nth(lines[index])
                    .cloned()
            })
            .await;
            let reason = event["error"].as_str().unwrap_or_default();
            assert!(reason.contains(words), "{refuse}: {event}");
        }
        for (role, verifier) in roles.iter().zip(&verifiers) {
            let sql = format!("ALTER ROLE \"{role}\" CONNECTION LIMIT -1 PASSWORD '{verifier}'");
            fixture.database().execute(sql).await;
        }
        for index in [0, 1] {
            eventually("the outage is over", TIMEOUT, async || {
                let _ = fixture.api().get(&path).await;
                let log = match index {
                    0 => fixture.api_log(),
                    _ => fixture.worker_process(0).log(),
                };
                (log.matches(ENDS).count() > lines[index]).then_some(())
            })
            .await;
        }
        let created = fixture.create_export(body.clone()).await;
        let id = created["id"].as_str().expect("an id").to_owned();
        fixture.wait_until(&id, "completed").await;
    }
    let logs = fixture.logs();
    assert!(!logs.contains("pool timed out"), "{logs}");
    assert!(!logs.contains("\"ERROR\""), "{logs}");
}

/// Each attempt fails, but the outage has one line.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_store_has_two_lines() {
    const EXPORTS: usize = 4;
    let mut fixture = Fixture::builder().store(StoreKind::S3).start().await;
    fixture.insert_one_message().await;
    // A store that refuses access at the start would end the worker.
    fixture
        .worker_process(0)
        .wait_for_event("worker started")
        .await;
    let away = fixture
        .s3()
        .inject(|_| true, exports_tests::s3::Fault::Answer(403));
    let body = json!({"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-07T00:00:00Z"});
    let mut ids = Vec::new();
    for _ in 0..EXPORTS {
        let created = fixture.create_export(body.clone()).await;
        ids.push(created["id"].as_str().expect("an id").to_owned());
    }
    let worker = fixture.worker_process(0);
    eventually("each export has failed once", TIMEOUT, async || {
        let events = worker.events();
        (with_message(&events, "the attempt failed").len() >= EXPORTS).then_some(())
    })
    .await;
    drop(away);
    for id in &ids {
        fixture.wait_until(id, "completed").await;
    }
    let worker = fixture.worker_process(0);
    worker
        .wait_for_event("the object store is available again")
        .await;
    let (log, events) = (worker.log(), worker.events());
    assert_no_field_is_repeated(&log);
    assert_eq!(
        with_message(&events, "the object store is unavailable").len(),
        1,
        "{log}"
    );
    for event in with_message(&events, "the attempt failed") {
        assert_eq!(event["level"], "INFO", "{event}");
    }
}
