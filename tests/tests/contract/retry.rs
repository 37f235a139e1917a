//! `POST /v1/exports/{id}/retry`.

use exports_domain::ExportStatus::{Completed, Expired, Failed, Pending, Processing};
use exports_tests::{Endpoint, Reply};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::assert_refused;
use crate::shared::{Consumer, fields, id_of, path, request_with, story};

fn retry_path(id: &str) -> String {
    format!("{}/retry", path(id))
}

async fn retry(consumer: &Consumer<'_>, id: &str) -> Reply {
    consumer.api.post(&retry_path(id), &json!({})).await
}

async fn retry_keyed(consumer: &Consumer<'_>, id: &str, key: &str) -> Reply {
    let prepare = |request: reqwest::RequestBuilder| request.header("Idempotency-Key", key);
    consumer
        .api
        .send(Method::POST, &retry_path(id), prepare)
        .await
}

/// Creates an export of this request that has no file any more: it is canceled, or, if the worker was faster, expired.
async fn ended(consumer: &Consumer<'_>, request: &Value) -> String {
    let id = id_of(&consumer.create(request).await);
    let reply = consumer
        .api
        .post(&format!("{}/cancel", path(&id)), &json!({}))
        .await;
    if reply.status == 409 {
        consumer
            .fixture
            .database()
            .execute(format!(
                "UPDATE exports SET expires_at = completed_at + interval '1 microsecond' WHERE id = '{id}'"
            ))
            .await;
    }
    id
}

#[test]
fn a_retry_is_a_new_export_of_the_same_request() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let request = request_with(json!({
            "statuses": ["queued", "succeeded"], "label": "Für die Prüfer \u{1f4e6}",
        }));
        let old = ended(&consumer, &request).await;
        let reply = retry(&consumer, &old).await.expect(201);
        let new = reply.data();
        let id = id_of(&new);
        assert_ne!(id, old);
        assert_eq!(new["retry_of"], *old);
        assert_eq!(new["label"], request["label"]);
        let location = reply.header("location").unwrap();
        assert!(location.ends_with(&path(&id)), "{location}");
        assert_eq!(reply.header("idempotency-replayed"), None);
        let before = consumer.get(&old).await;
        for field in fields(&before)
            .into_iter()
            .filter(|name| name.starts_with("filter_"))
        {
            assert_eq!(new[field], before[field], "{field}");
        }
        let done = consumer.until(&id, "completed").await;
        assert_eq!(done["retry_of"], *old);
        assert_eq!(consumer.get(&old).await, before, "the old one is unchanged");

        assert_eq!(consumer.api.delete(&path(&old)).await.status, 204);
        assert_eq!(consumer.get(&id).await["retry_of"], *old, "it keeps the id");
    });
}

#[test]
fn only_failed_and_expired_exports_can_be_retried() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for status in [Failed, Expired] {
            let id = consumer.put(consumer.row(status)).await;
            assert_eq!(retry(&consumer, &id).await.status, 201, "{status}");
            let again = retry(&consumer, &id).await;
            assert_eq!(
                again.status, 201,
                "{status}: without a key, each is a new export"
            );
        }
        for status in [Pending, Processing, Completed] {
            let id = consumer.put(consumer.row(status)).await;
            let says = [status.as_str(), "only a failed or expired export"];
            let reply = retry(&consumer, &id).await;
            assert_refused(&reply, 409, "EXPORT_NOT_ACTIVE", &says);
        }
        let other = fixtures.consumer().await;
        let others = other.put(other.row(Failed)).await;
        for id in [others, Uuid::now_v7().to_string()] {
            let reply = retry(&consumer, &id).await;
            assert_refused(&reply, 404, "NOT_FOUND", &["Export not found"]);
        }
    });
}

#[test]
fn the_same_key_retries_once() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let old = consumer.put(consumer.row(Failed)).await;
        let first = retry_keyed(&consumer, &old, "again").await.expect(201);
        let id = id_of(&first.data());
        let replayed = retry_keyed(&consumer, &old, "again").await.expect(201);
        assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
        assert_eq!(id_of(&replayed.data()), id);

        let another = consumer.put(consumer.row(Failed)).await;
        let reply = retry_keyed(&consumer, &another, "again").await;
        assert_refused(&reply, 409, "IDEMPOTENCY_MISMATCH", &["Idempotency-Key"]);
        let same =
            json!({"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-06T23:59:59Z"});
        let reply = consumer.api.post_keyed("again", &same).await;
        assert_refused(&reply, 409, "IDEMPOTENCY_MISMATCH", &["Idempotency-Key"]);

        assert_eq!(consumer.api.delete(&path(&old)).await.status, 204);
        let replayed = retry_keyed(&consumer, &old, "again").await.expect(201);
        assert_eq!(id_of(&replayed.data()), id, "the old one is deleted");
        let reply = retry_keyed(&consumer, &old, "another").await;
        assert_refused(&reply, 404, "NOT_FOUND", &["Export not found"]);
    });
}

#[test]
fn a_retry_counts_for_the_limits_and_needs_its_endpoint() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let endpoint = Uuid::now_v7();
        let endpoints = [Endpoint::outbound(
            &consumer.project,
            endpoint,
            "https://example.com",
        )];
        consumer.fixture.insert_endpoints(&endpoints).await;
        let of_endpoint = consumer
            .row(Failed)
            .with("filter_endpoint_id", endpoint.to_string());
        let of_endpoint = consumer.put(of_endpoint).await;
        assert_eq!(retry(&consumer, &of_endpoint).await.status, 201);
        let delete = format!("DELETE FROM endpoints WHERE id = '{endpoint}'");
        consumer.fixture.database().execute(delete).await;
        let reply = retry(&consumer, &of_endpoint).await;
        assert_refused(&reply, 400, "ENDPOINT_NOT_FOUND", &[]);

        let limited = fixtures.consumer().await;
        limited.put(limited.row(Pending)).await;
        let set = format!(
            "UPDATE projects SET limit_active = '1' WHERE id = '{}'",
            limited.project
        );
        limited.fixture.database().execute(set).await;
        // The API remembers the limits of a key that it has seen. This one has not sent a request.
        let failed = limited.put(limited.row(Failed)).await;
        let reply = retry(&limited, &failed).await;
        assert_refused(&reply, 429, "RATE_LIMITED", &["exports per project is 1"]);
    });
}

#[test]
fn a_retry_that_waits_returns_the_new_export_once_it_has_ended() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let old = ended(&consumer, &request_with(json!({}))).await;
        let wait = async |value: &'static str| {
            let prepare = |request: reqwest::RequestBuilder| {
                let request = request.header("Idempotency-Key", "the-key");
                request.header("Prefer", value)
            };
            let path = retry_path(&old);
            let sent = consumer.api.send(Method::POST, &path, prepare);
            sent.await.expect(201)
        };
        let reply = wait("wait=600").await;
        assert_eq!(reply.header("preference-applied"), Some("wait=60"));
        let export = reply.data();
        assert_eq!(export["status"], "completed", "{export:#}");
        assert_eq!(export["retry_of"], *old);
        let location = reply.header("location").unwrap();
        assert!(location.ends_with(&path(&id_of(&export))), "{location}");

        // It has ended, so a replay does not wait; nor does a preference without a number.
        let again = wait("wait=60").await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.data(), export);
        let again = wait("wait=x").await;
        assert_eq!(again.header("preference-applied"), None);
        assert_eq!(again.data(), export);
    });
}
