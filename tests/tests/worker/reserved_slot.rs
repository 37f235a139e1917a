//! One project's exports do not delay the first export of another: two workers with two slots each.

use std::time::Duration;

use exports_database::{Created, NewExport};
use exports_domain::{Direction, ExportId, MessageFilter};
use exports_tests::{Message, TIMEOUT, eventually};
use serde_json::json;

use crate::support::{Fixture, PROJECT, everything, range};

/// The time of the only message of a project.
const NOON: &str = "2025-12-03T12:00:00Z";

/// Two workers, and a source in which each message of [`PROJECT`] takes this long to read. Projects `proj_b`, `proj_c` and
/// `proj_d` have one message each, which is read at once.
async fn two_workers(seconds: f64) -> Fixture {
    let fixture = Fixture::builder()
        .without_api()
        .workers(2)
        .worker_env("EXPORTS_CONCURRENCY", "2")
        .start()
        .await;
    let projects = [PROJECT, "proj_b", "proj_c", "proj_d"];
    for project in projects {
        fixture.database().project(project).await;
        fixture
            .insert_messages(&[Message::outbound(project).at(NOON)])
            .await;
    }
    fixture
        .database()
        .execute(format!(
            "ALTER TABLE messages RENAME TO stored;
             CREATE VIEW messages AS
             SELECT id, project_id, direction, endpoint_id, status, attempt_count, created_at, delivered_at, next_attempt_at,
                    CASE WHEN project_id = '{PROJECT}' THEN length(pg_sleep({seconds})::text) END AS response_status,
                    response_latency_ms, total_delivery_ms, last_error FROM stored"
        ))
        .await;
    fixture
}

/// Queues exports of a project, with one statement.
async fn queue(fixture: &Fixture, project: &str, start: &str, end: &str, count: u32) {
    fixture
        .database()
        .execute(format!(
            "INSERT INTO exports (id, project_id, created_at, due_at, status, direction, filter_start_time, filter_end_time)
             SELECT gen_random_uuid(), '{project}', at, at, 'pending', 'outbound', '{start}', '{end}'
             FROM (SELECT clock_timestamp() AS at FROM generate_series(1, {count})) new"
        ))
        .await;
}

/// Exports of [`PROJECT`] with its slow message.
async fn queue_slow(fixture: &Fixture, count: u32) {
    queue(fixture, PROJECT, "2025-12-03", "2025-12-04", count).await;
}

/// Exports of [`PROJECT`] without messages.
async fn queue_empty(fixture: &Fixture, count: u32) {
    queue(fixture, PROJECT, "2025-12-01", "2025-12-02", count).await;
}

/// Creates an export of another project, and returns the seconds until a worker has started it. It is completed.
async fn seconds_to_start(fixture: &Fixture, project: &str) -> f64 {
    let new = NewExport {
        id: ExportId::generate(),
        project: project.parse().expect("a project id"),
        filter: MessageFilter {
            range: range("2025-12-03T00:00:00Z", "2025-12-04T00:00:00Z"),
            ..everything(Direction::Outbound)
        },
        options: exports_domain::FileOptions::default(),
        label: None,
        retry_of: None,
        idempotency_key: None,
        traceparent: None,
        limits: exports_database::CreateLimits::default(),
    };
    let created = fixture.storage().create_export(&new).await;
    assert!(matches!(created, Ok(Created::New(_))), "{created:?}");
    fixture.wait_for_column(new.id, "status", "completed").await;
    assert_eq!(
        fixture
            .database()
            .export_column(new.id.0, "row_count")
            .await,
        1
    );
    let started = "extract(epoch FROM started_at - created_at)::float8";
    let seconds = fixture.database().export_column(new.id.0, started).await;
    seconds.as_f64().expect("a number")
}

async fn count(fixture: &Fixture, condition: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM exports WHERE {condition}");
    let count = fixture.database().value(&sql).await;
    count.as_u64().expect("a count")
}

async fn running(fixture: &Fixture) -> u64 {
    count(
        fixture,
        &format!("status = 'processing' AND project_id = '{PROJECT}'"),
    )
    .await
}

async fn wait_for_running(fixture: &Fixture, exports: u64) {
    let fact = format!("{exports} exports are running");
    eventually(&fact, TIMEOUT, async || {
        (running(fixture).await >= exports).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_long_exports_do_not_delay_other_projects() {
    let fixture = two_workers(60.0).await;
    queue_slow(&fixture, 50).await;
    wait_for_running(&fixture, 2).await;
    let seconds = seconds_to_start(&fixture, "proj_b").await;
    assert!(
        seconds < 2.0,
        "started after {seconds} s, before the others are long"
    );

    // Nothing is claimed meanwhile, and the workers poll at their normal rate.
    let transactions =
        "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    let before = fixture.database().value(transactions).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    let after = fixture.database().value(transactions).await;
    let sent = after.as_u64().unwrap() - before.as_u64().unwrap();
    // Polls, heartbeats and sweeps are about 150. A claim in a loop would be thousands.
    assert!(sent < 300, "{sent} statements in 11 s");
    assert_eq!(running(&fixture).await, 2);

    for project in ["proj_b", "proj_c", "proj_d"] {
        let seconds = seconds_to_start(&fixture, project).await;
        assert!(seconds < 2.0, "{project} started after {seconds} s");
    }
    assert_eq!(running(&fixture).await, 2);
    assert_eq!(count(&fixture, "attempt > 1").await, 0);
}

/// The quick exports earn the right to borrow the reserved slots; the long ones give them back.
#[tokio::test(flavor = "multi_thread")]
async fn long_exports_after_quick_ones_do_not_delay_other_projects() {
    let fixture = two_workers(60.0).await;
    queue_empty(&fixture, 40).await;
    queue_slow(&fixture, 20).await;
    let slow = "status = 'processing' AND filter_start_time = '2025-12-03'";
    eventually("the slow exports are running", TIMEOUT, async || {
        (count(&fixture, slow).await >= 2).then_some(())
    })
    .await;
    for project in ["proj_b", "proj_c"] {
        let seconds = seconds_to_start(&fixture, project).await;
        assert!(seconds < 2.0, "{project} started after {seconds} s");
    }
    eventually("the reserved slots are free again", TIMEOUT, async || {
        (running(&fixture).await == 2).then_some(())
    })
    .await;
    // What was released counts no attempt.
    let waiting = format!("project_id = '{PROJECT}' AND status = 'pending'");
    assert_eq!(count(&fixture, &waiting).await, 18);
    assert_eq!(
        count(&fixture, &format!("{waiting} AND attempt > 0")).await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_small_exports_do_not_delay_another_project() {
    let fixture = two_workers(0.0).await;
    queue_empty(&fixture, 10_000).await;
    eventually("some exports are completed", TIMEOUT, async || {
        (count(&fixture, "status = 'completed'").await > 50).then_some(())
    })
    .await;
    for _ in 0..5 {
        let seconds = seconds_to_start(&fixture, "proj_b").await;
        assert!(seconds < 1.0, "started after {seconds} s");
    }
    assert!(
        count(&fixture, "status = 'pending'").await > 0,
        "the queue was never empty"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_project_uses_all_slots_for_quick_exports() {
    let fixture = two_workers(0.25).await;
    queue_slow(&fixture, 24).await;
    eventually("all exports are completed", TIMEOUT, async || {
        (count(&fixture, "status <> 'completed'").await == 0).then_some(())
    })
    .await;
    // How many others ran when each export started.
    let most = "SELECT max((SELECT count(*) FROM exports o WHERE o.id <> e.id
                            AND o.started_at <= e.started_at AND o.completed_at > e.started_at)) FROM exports e";
    assert_eq!(fixture.database().value(most).await, json!(3));
    assert_eq!(count(&fixture, "attempt <> 1").await, 0);
}
