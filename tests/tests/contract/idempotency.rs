//! `Idempotency-Key`: a repeated create returns the first export.

use std::collections::HashSet;

use exports_tests::{Endpoint, Reply, StoreKind};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::api::assert_refused;
use crate::shared::{Consumer, id_of, path, request, request_with, story};

const REPLAYED: &str = "idempotency-replayed";

async fn count(consumer: &Consumer<'_>) -> serde_json::Value {
    let sql = format!(
        "SELECT count(*) FROM exports WHERE project_id = '{}'",
        consumer.project
    );
    consumer.fixture.database().value(&sql).await
}

fn assert_first(reply: &Reply) -> String {
    assert_eq!((reply.status, reply.header(REPLAYED)), (201, None));
    id_of(&reply.data())
}

fn assert_replay_of(id: &str, reply: &Reply) {
    assert_eq!((reply.status, reply.header(REPLAYED)), (201, Some("true")));
    assert_eq!(id_of(&reply.data()), id);
    let location = reply.header("location").unwrap();
    assert!(location.ends_with(&path(id)), "{location}");
}

#[test]
fn a_replay_returns_the_first_export_in_its_current_state() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let first = consumer.api.post_keyed("a-key", &request()).await;
        let id = assert_first(&first);
        let done = consumer.until(&id, "completed").await;
        let again = consumer.api.post_keyed("a-key", &request()).await;
        assert_replay_of(&id, &again);
        assert_eq!(again.data(), done);
        assert_eq!(count(&consumer).await, 1);
    });
}

#[test]
fn requests_are_compared_after_parsing() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = assert_first(&consumer.api.post_keyed("key", &request()).await);
        for same in [
            json!({"end_time": "2025-12-06T23:59:59Z", "start_time": "2025-12-01T00:00:00Z"}),
            request_with(json!({"direction": "outbound", "status": null})),
            request_with(json!({"start_time": "2025-12-01T02:00:00.0000009+02:00"})),
        ] {
            assert_replay_of(&id, &consumer.api.post_keyed("key", &same).await);
        }
        for other in [
            request_with(json!({"start_time": "2025-12-01T00:00:00.000001Z"})),
            request_with(json!({"end_time": "2025-12-07T00:00:00Z"})),
            request_with(json!({"direction": "inbound"})),
            request_with(json!({"status": "queued"})),
        ] {
            let reply = consumer.api.post_keyed("key", &other).await;
            assert_refused(&reply, 409, "IDEMPOTENCY_MISMATCH", &["Idempotency-Key"]);
        }
        assert_eq!(count(&consumer).await, 1);
    });
}

#[test]
fn keys_are_scoped_to_their_project() {
    story(async |fixtures| {
        let (one, other) = (fixtures.consumer().await, fixtures.consumer().await);
        let first = assert_first(&one.api.post_keyed("shared", &request()).await);
        let different = request_with(json!({"status": "queued"}));
        let second = assert_first(&other.api.post_keyed("shared", &different).await);
        assert_ne!(first, second);
    });
}

#[test]
fn concurrent_creates_with_one_key_create_one_export() {
    story(async |fixtures| {
        for &kind in StoreKind::all() {
            let consumer = fixtures.consumer_on(kind).await;
            let request = request();
            let creates = (0..16).map(|_| consumer.api.post_keyed("at-once", &request));
            let replies = join_all(creates).await;
            let ids: HashSet<_> = replies
                .iter()
                .map(|reply| {
                    assert_eq!(reply.status, 201);
                    id_of(&reply.data())
                })
                .collect();
            assert_eq!(ids.len(), 1);
            let first = replies.iter().filter(|it| it.header(REPLAYED).is_none());
            assert_eq!(first.count(), 1, "exactly one response is not a replay");
            assert_eq!(count(&consumer).await, 1);
        }
    });
}

#[test]
fn deleting_an_export_releases_its_key() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = assert_first(&consumer.api.post_keyed("again", &request()).await);
        consumer.until(&id, "completed").await;
        assert_eq!(consumer.api.delete(&path(&id)).await.status, 204);
        let second = assert_first(&consumer.api.post_keyed("again", &request()).await);
        assert_ne!(id, second);
    });
}

#[test]
fn a_key_expires_after_24_hours() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = assert_first(&consumer.api.post_keyed("a-day", &request()).await);
        consumer.until(&id, "completed").await;
        let age = async |interval: &str| {
            let sql = format!(
                "UPDATE exports SET created_at = clock_timestamp() - interval '{interval}' WHERE id = '{id}'"
            );
            consumer.fixture.database().execute(sql).await;
        };
        age("23 hours 59 minutes").await;
        assert_replay_of(&id, &consumer.api.post_keyed("a-day", &request()).await);
        age("24 hours").await;
        let other = request_with(json!({"status": "queued"}));
        let second = assert_first(&consumer.api.post_keyed("a-day", &other).await);
        assert_ne!(id, second);
        assert_eq!(count(&consumer).await, 2, "the first export is kept");
    });
}

#[test]
fn a_replay_does_not_check_the_endpoint_again() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let endpoint = Uuid::now_v7();
        let url = "https://example.com";
        let endpoints = [Endpoint::outbound(&consumer.project, endpoint, url)];
        consumer.fixture.insert_endpoints(&endpoints).await;
        let request = request_with(json!({"endpoint_id": format!("ep_{}", endpoint.simple())}));
        let id = assert_first(&consumer.api.post_keyed("endpoint", &request).await);
        let sql = format!("DELETE FROM endpoints WHERE id = '{endpoint}'");
        consumer.fixture.database().execute(sql).await;
        assert_replay_of(&id, &consumer.api.post_keyed("endpoint", &request).await);
        let reply = consumer.api.post_keyed("other", &request).await;
        assert_refused(&reply, 400, "ENDPOINT_NOT_FOUND", &["endpoint not found"]);
    });
}

#[test]
fn a_key_can_have_up_to_255_visible_characters() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let longest = "k".repeat(255);
        for key in ["!", "~", "a'b\"c\\d,e;%00", &longest] {
            let id = assert_first(&consumer.api.post_keyed(key, &request()).await);
            assert_replay_of(&id, &consumer.api.post_keyed(key, &request()).await);
        }
    });
}

#[test]
fn a_rejected_create_does_not_reserve_its_key() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let bad = request_with(json!({"status": "nonsense"}));
        let reply = consumer.api.post_keyed("key", &bad).await;
        assert_refused(&reply, 400, "INVALID_REQUEST", &["status"]);
        assert_first(&consumer.api.post_keyed("key", &request()).await);
    });
}
