//! The fixture: start, use and shutdown.

use exports_tests::{Client, Fixture, Message, StoreKind, TIMEOUT, eventually};
use serde_json::json;

#[tokio::test]
async fn a_fixture_exports_a_file_with_every_store() {
    for &kind in StoreKind::all() {
        let fixture = Fixture::builder().store(kind).start().await;
        fixture
            .insert_messages(&[
                Message::outbound(fixture.project()).last_error("one"),
                Message::outbound(fixture.project()).last_error("two"),
            ])
            .await;
        let export = fixture
            .create_export(json!({
                "start_time": "2025-12-01T00:00:00Z",
                "end_time": "2025-12-06T23:59:59Z",
            }))
            .await;
        let id = export["id"].as_str().unwrap();
        let export = fixture.wait_until(id, "completed").await;
        assert_eq!(export["row_count"], 2, "{kind:?}");
        let file = fixture.download(id).await;
        assert_eq!(file.text().lines().count(), 3, "{kind:?}");
        assert_eq!(fixture.store_listing(), [fixture.object_key(id).await]);

        let path = format!("/v1/exports/{id}");
        let _ = fixture.api().delete(&path).await.expect(204);
        fixture.wait_for_store(&[]).await;
    }
}

#[tokio::test]
async fn a_dropped_fixture_leaves_no_process() {
    let mut fixture = Fixture::builder().workers(2).start().await;
    let added = fixture.add_worker(&[("EXPORTS_CONCURRENCY", "1")]);
    let ids = [
        fixture.api_process().id(),
        fixture.worker_process(0).id(),
        fixture.worker_process(1).id(),
        fixture.worker_process(added).id(),
    ];
    let running = || {
        ids.iter()
            .filter(|id| std::path::Path::new(&format!("/proc/{id}")).exists())
    };
    assert_eq!(running().count(), 4);
    drop(fixture);
    assert_eq!(running().count(), 0);
}

#[tokio::test]
async fn a_fixture_can_simulate_a_database_outage() {
    let fixture = Fixture::builder().workers(0).database_proxy().start().await;
    let status = async || fixture.api().get("/v1/exports").await.status;
    assert_eq!(status().await, 200);
    fixture.database_proxy().make_unavailable();
    assert_eq!(status().await, 503);
    fixture.database_proxy().restore();
    eventually("the API answers again", TIMEOUT, async || {
        (status().await == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn consumers_of_a_fixture_have_separate_keys() {
    let fixture = Fixture::builder().workers(0).start().await;
    let other = fixture.another_consumer("proj_other").await;
    let export = fixture
        .create_export(json!({
            "start_time": "2025-12-01T00:00:00Z",
            "end_time": "2025-12-06T23:59:59Z",
        }))
        .await;
    let count = async |client: &Client| {
        client
            .get("/v1/exports")
            .await
            .data()
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(fixture.api()).await, 1);
    assert_eq!(count(&other).await, 0);
    assert_eq!(
        fixture.api().without_key().get("/v1/exports").await.status,
        401
    );
    assert_eq!(export["project_id"], fixture.project());
    assert!(
        !fixture.logs().contains(fixture.key()),
        "a key is in the log"
    );
}

#[tokio::test]
async fn programs_do_not_inherit_the_environment_of_the_user() {
    let mut fixture = Fixture::builder().workers(0).start().await;
    let environ = format!("/proc/{}/environ", fixture.api_process().id());
    let environment = std::fs::read_to_string(environ).unwrap();
    let names: Vec<_> = environment
        .split_terminator('\0')
        .map(|variable| variable.split('=').next().unwrap())
        .collect();
    assert!(names.contains(&"EXPORTS_SIGNING_KEY"), "{names:?}");
    for name in names {
        let is_ours =
            ["PATH", "TMPDIR", "DATABASE_URL"].contains(&name) || name.starts_with("EXPORTS_");
        assert!(is_ours, "{name}");
    }
    let own = format!("DATABASE_URL={}\0", fixture.database().url());
    assert!(environment.contains(&own));
}
