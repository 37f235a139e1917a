//! `GET /v1/exports/{id}`.

use chrono::TimeDelta;
use exports_domain::ExportStatus;
use exports_tests::{ExportRow, StoreKind};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::assert_refused;
use crate::shared::{Consumer, fields, id_of, path, request, story};

const ID: &str = "01935abc-def0-7123-4567-890abcdef012";

/// The example of the reference page, verbatim.
const EXAMPLE: &str = r#"{ "data": { "id": "01935abc-def0-7123-4567-890abcdef012", "project_id": "proj_abc123", "status": "completed", "filter_start_time": "2025-12-01T00:00:00Z", "filter_end_time": "2025-12-06T23:59:59Z", "filter_status": "failed_permanent", "row_count": 5000, "file_size_bytes": 1024000, "started_at": "2025-12-06T12:00:30Z", "completed_at": "2025-12-06T12:05:00Z", "expires_at": "2025-12-13T12:05:00Z", "created_at": "2025-12-06T12:00:00Z" }, "meta": { "request_id": "req_xyz123" }}"#;

#[test]
fn the_example_of_the_reference_page_is_returned_field_by_field() {
    story(async |fixtures| {
        // The only test that depends on the name of the project.
        let consumer = Consumer::owner_of(fixtures.on(StoreKind::File).await);
        assert_eq!(consumer.project, "proj_abc123");
        let reply = consumer.api.get(&path(ID)).await;
        assert_refused(&reply, 404, "NOT_FOUND", &["not found"]);

        let example: Value = serde_json::from_str(EXAMPLE).unwrap();
        consumer.put(row_of(&example["data"])).await;
        // `expires_at` of the example is in the past, so the export is expired. The first comparison changes
        // only the status, the second one changes only `expires_at`.
        let mut expected = with_our_fields(example["data"].clone());
        expected["status"] = json!("expired");
        assert_eq!(consumer.get(ID).await, expected);

        let reply = consumer.api.delete(&path(ID)).await;
        assert_eq!(reply.status, 204);
        let mut alive = example["data"].clone();
        alive["expires_at"] = json!("2999-12-13T12:05:00Z");
        consumer.put(row_of(&alive)).await;
        let reply = consumer.api.get(&path(ID)).await.expect(200);
        assert_eq!(reply.data(), with_our_fields(alive));
        assert_eq!(fields(&reply.json()), fields(&example), "the envelope");
        assert_eq!(fields(&reply.meta()), fields(&example["meta"]));
    });
}

/// A row with the values of an export in the format of the API.
fn row_of(data: &Value) -> ExportRow {
    let row = ExportRow::of("proj_abc123", ExportStatus::Completed);
    let columns = data.as_object().unwrap().iter();
    columns
        .filter(|(name, _)| *name != "status")
        .fold(row, |row, (name, value)| row.with(name, value.clone()))
        .with("due_at", data["created_at"].clone())
}

/// Adds `direction`, which the example omits although the page documents it, and the fields that only this service has.
fn with_our_fields(mut data: Value) -> Value {
    data["direction"] = json!("outbound");
    data["attempt"] = json!(1);
    data["sha256"] = json!("ab".repeat(32));
    data
}

#[test]
fn each_status_has_exactly_its_fields() {
    const ALWAYS: [&str; 8] = [
        "attempt",
        "created_at",
        "direction",
        "filter_end_time",
        "filter_start_time",
        "id",
        "project_id",
        "status",
    ];
    const FILE: [&str; 6] = [
        "completed_at",
        "expires_at",
        "file_size_bytes",
        "row_count",
        "sha256",
        "started_at",
    ];
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let row = |status| consumer.row(status);
        for (row, further) in [
            (row(ExportStatus::Pending), &["progress"][..]),
            (row(ExportStatus::Processing), &["progress", "started_at"]),
            (row(ExportStatus::Completed), &FILE),
            (row(ExportStatus::Expired), &FILE),
            (
                row(ExportStatus::Failed),
                &["error_code", "error_message", "started_at"],
            ),
            (
                row(ExportStatus::Failed).with("started_at", Value::Null),
                &["error_code", "error_message"],
            ),
        ] {
            let export = consumer.get(&consumer.put(row).await).await;
            let mut expected = [&ALWAYS, further].concat();
            expected.sort_unstable();
            assert_eq!(fields(&export), expected, "{export:#}");
        }
    });
}

#[test]
fn timestamps_follow_the_lifecycle() {
    story(async |fixtures| {
        let export = fixtures.consumer().await.completed().await;
        let at = |name: &str| -> chrono::DateTime<chrono::Utc> {
            export[name].as_str().unwrap().parse().unwrap()
        };
        assert!(at("created_at") <= at("started_at"));
        assert!(at("started_at") <= at("completed_at"));
        assert_eq!(
            at("expires_at") - at("completed_at"),
            TimeDelta::days(7),
            "the default"
        );
        assert_eq!(export["row_count"], 3);
    });
}

#[test]
fn a_completed_export_past_expires_at_is_expired_before_any_sweep() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let row = consumer
            .row(ExportStatus::Completed)
            .with_ago("expires_at", TimeDelta::milliseconds(1));
        let id = consumer.put(row).await;
        let export = consumer.get(&id).await;
        assert_eq!(export["status"], "expired");
        assert_eq!(export["row_count"], 3, "the metadata of the file is kept");
        let link = consumer.api.get(&format!("{}/download", path(&id))).await;
        assert_refused(&link, 410, "EXPORT_EXPIRED", &["expired"]);
    });
}

#[test]
fn another_projects_export_is_indistinguishable_from_an_unknown_one() {
    story(async |fixtures| {
        let owner = fixtures.consumer().await;
        let stranger = fixtures.consumer().await;
        let theirs = owner.put(owner.row(ExportStatus::Completed)).await;
        let unknown = Uuid::now_v7().to_string();
        for suffix in ["", "/download"] {
            for method in [Method::GET, Method::DELETE] {
                if suffix == "/download" && method == Method::DELETE {
                    continue;
                }
                let ask = async |id: &str| {
                    let path = format!("{}{suffix}", path(id));
                    let reply = stranger.api.send(method.clone(), &path, |r| r).await;
                    assert_refused(&reply, 404, "NOT_FOUND", &["Export not found"]);
                    let names: Vec<_> = reply.headers.keys().cloned().collect();
                    (reply.json()["error"].clone(), names)
                };
                assert_eq!(ask(&theirs).await, ask(&unknown).await, "{method} {suffix}");
            }
        }
        assert_eq!(owner.get(&theirs).await["status"], "completed");
    });
}

#[test]
fn an_id_can_be_a_uuid_of_any_version_and_case() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for unknown in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "01935abc-def0-7123-4567-890abcdef013",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        ] {
            let reply = consumer.api.get(&path(unknown)).await;
            assert_refused(&reply, 404, "NOT_FOUND", &["Export not found"]);
        }
        let id = consumer.put(consumer.row(ExportStatus::Pending)).await;
        assert_eq!(id_of(&consumer.get(&id.to_uppercase()).await), id);
    });
}

#[test]
fn the_etag_is_weak_and_changes_with_the_data() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = consumer.put(consumer.row(ExportStatus::Pending)).await;
        let ask = async |tag: &str| {
            let conditional = |request: reqwest::RequestBuilder| match tag {
                "" => request,
                tag => request.header("If-None-Match", tag),
            };
            consumer
                .api
                .send(Method::GET, &path(&id), conditional)
                .await
        };
        let first = ask("").await.expect(200);
        let tag = first.header("etag").unwrap().to_owned();
        assert!(
            tag.starts_with("W/\"") && tag.ends_with('"') && tag.len() > 4,
            "{tag}"
        );
        assert_eq!(
            ask("").await.header("etag"),
            Some(&*tag),
            "the ETag depends only on `data`"
        );
        let list = format!("\"x\", {tag}");
        for same in [&*tag, "*", &list, tag.trim_start_matches("W/")] {
            let reply = ask(same).await;
            assert_eq!(
                (reply.status, reply.header("etag")),
                (304, Some(&*tag)),
                "{same}"
            );
        }
        for other in ["W/\"x\"", "x", "\"\""] {
            assert_eq!(ask(other).await.status, 200, "{other}");
        }
        let sql = format!("UPDATE exports SET attempt = attempt + 1 WHERE id = '{id}'");
        consumer.fixture.database().execute(sql).await;
        let changed = ask(&tag).await.expect(200);
        assert_ne!(changed.header("etag"), Some(&*tag));
    });
}

#[test]
fn only_pending_and_processing_exports_have_retry_after() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for &status in ExportStatus::ALL {
            let id = consumer.put(consumer.row(status)).await;
            let reply = consumer.api.get(&path(&id)).await.expect(200);
            let seconds = reply
                .header("retry-after")
                .map(|it| it.parse::<u64>().unwrap());
            assert_eq!(
                seconds.is_some(),
                !status.is_terminal(),
                "{status}: {seconds:?}"
            );
        }
    });
}

#[test]
fn a_created_export_completes_and_keeps_its_initial_fields() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let queued = consumer.create(&request()).await;
        let done = consumer.until(&id_of(&queued), "completed").await;
        for (name, value) in queued.as_object().unwrap() {
            if !matches!(&**name, "status" | "attempt") {
                assert_eq!(done[name], *value, "{name} never changes");
            }
        }
        assert_eq!(done["row_count"], 0, "an export without rows completes");
        assert_eq!(done["attempt"], 1);
    });
}
