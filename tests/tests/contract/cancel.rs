//! `POST /v1/exports/{id}/cancel`.

use exports_domain::ExportStatus;
use exports_domain::ExportStatus::{Completed, Expired, Failed, Pending, Processing};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::api::assert_refused;
use crate::shared::{Consumer, path, request, story};

fn cancel_path(id: &str) -> String {
    format!("{}/cancel", path(id))
}

async fn put(consumer: &Consumer<'_>, status: ExportStatus) -> String {
    consumer.put(consumer.row(status)).await
}

#[test]
fn an_active_export_fails_at_once_and_a_repeated_cancel_returns_the_same() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for status in [Pending, Processing] {
            let id = put(&consumer, status).await;
            let canceled = consumer.api.post(&cancel_path(&id), &json!({})).await;
            let canceled = canceled.expect(200).data();
            assert_eq!(canceled["id"], *id);
            assert_eq!(canceled["status"], "failed");
            assert_eq!(canceled["error_code"], "CANCELED");
            let message = canceled["error_message"].as_str().unwrap();
            assert!(message.contains("was canceled"), "{message}");
            let ran = status == Processing;
            assert_eq!(canceled["started_at"].is_string(), ran, "{status}");
            assert_eq!(consumer.get(&id).await, canceled);
            let path_of_cancel = cancel_path(&id);
            let again = consumer.api.send(Method::POST, &path_of_cancel, |it| it);
            assert_eq!(again.await.expect(200).data(), canceled);
            let download = consumer.api.get(&format!("{}/download", path(&id))).await;
            assert_refused(&download, 400, "EXPORT_NOT_READY", &["failed"]);
            assert_eq!(consumer.api.delete(&path(&id)).await.status, 204);
        }
    });
}

#[test]
fn an_export_that_has_ended_otherwise_is_409_and_unchanged() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for status in [Completed, Failed, Expired] {
            let id = put(&consumer, status).await;
            let before = consumer.get(&id).await;
            let reply = consumer.api.post(&cancel_path(&id), &json!({})).await;
            let says = [status.as_str(), "only a pending or processing export"];
            assert_refused(&reply, 409, "EXPORT_NOT_ACTIVE", &says);
            assert_eq!(consumer.get(&id).await, before);
        }
    });
}

#[test]
fn unknown_exports_and_those_of_others_are_404() {
    story(async |fixtures| {
        let (consumer, other) = (fixtures.consumer().await, fixtures.consumer().await);
        let others = put(&other, Pending).await;
        for id in [others.clone(), Uuid::now_v7().to_string()] {
            let reply = consumer.api.post(&cancel_path(&id), &json!({})).await;
            assert_refused(&reply, 404, "NOT_FOUND", &["Export not found"]);
        }
        assert_eq!(other.get(&others).await["status"], "pending");
        let reply = consumer.api.post(&cancel_path("no-uuid"), &json!({})).await;
        assert_refused(&reply, 400, "INVALID_REQUEST", &["id must be a UUID"]);
    });
}

#[test]
fn a_cancel_takes_no_fields_and_no_parameters() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = put(&consumer, Pending).await;
        let reply = consumer
            .api
            .post(&cancel_path(&id), &json!({"reason": "late"}))
            .await;
        let says = ["unknown field \"reason\"", "takes none"];
        assert_refused(&reply, 400, "INVALID_REQUEST", &says);
        let with_query = format!("{}?force=true", cancel_path(&id));
        let reply = consumer.api.post(&with_query, &json!({})).await;
        assert_refused(&reply, 400, "INVALID_REQUEST", &["force"]);
        assert_eq!(consumer.get(&id).await["status"], "pending");
    });
}

#[test]
fn concurrent_cancels_all_return_the_canceled_export() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = put(&consumer, Processing).await;
        let (path, body) = (cancel_path(&id), json!({}));
        let replies = join_all((0..8).map(|_| consumer.api.post(&path, &body))).await;
        for reply in replies {
            assert_eq!(reply.expect(200).data()["error_code"], "CANCELED");
        }
    });
}

/// The worker may complete the export first.
#[test]
fn a_cancel_right_after_the_create_has_one_outcome() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for _ in 0..8 {
            let id = crate::shared::id_of(&consumer.create(&request()).await);
            let reply = consumer.api.post(&cancel_path(&id), &json!({})).await;
            let now = consumer.get(&id).await;
            if reply.status == 200 {
                assert_eq!(now["error_code"], "CANCELED");
            } else {
                assert_refused(&reply, 409, "EXPORT_NOT_ACTIVE", &["completed"]);
                assert_eq!(now["status"], "completed");
            }
        }
    });
}
