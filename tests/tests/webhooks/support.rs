//! Webhooks of a fixture.

use exports_database::{CreatedWebhook, NewWebhook, WebhookSecret};
use exports_domain::{WebhookEvent, WebhookId};
use exports_tests::{Fixture, FixtureBuilder, TIMEOUT, eventually};
use serde_json::{Value, json};

use crate::receiver::Received;

/// Receivers of tests listen on loopback.
pub(crate) fn fixture() -> FixtureBuilder {
    Fixture::builder().env("EXPORTS_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.1/32")
}

/// Creates a webhook through the API: its id and secret.
pub(crate) async fn create(fixture: &Fixture, url: &str, events: &[&str]) -> (String, String) {
    let body = json!({"url": url, "events": events});
    let created = fixture.api().post("/v1/export-webhooks", &body).await;
    let created = created.expect(201).data();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

/// Creates a webhook in the database, without the checks of the API.
pub(crate) async fn insert(fixture: &Fixture, url: &str) -> (WebhookId, String) {
    let new = NewWebhook {
        id: WebhookId::generate(),
        project: fixture.project_id().clone(),
        url: url.to_owned(),
        events: WebhookEvent::SUBSCRIBABLE.to_vec(),
        secret: WebhookSecret::generate(),
    };
    let created = fixture.storage().create_webhook(&new).await.unwrap();
    assert!(matches!(created, CreatedWebhook::New(_)), "{created:?}");
    (new.id, new.secret.to_text())
}

pub(crate) fn path(id: &str) -> String {
    format!("/v1/export-webhooks/{id}")
}

/// The deliveries of a webhook, newest first.
pub(crate) async fn deliveries(fixture: &Fixture, id: &str) -> Vec<Value> {
    let path = format!("{}/deliveries", path(id));
    let data = fixture.api().get(&path).await.expect(200).data();
    data.as_array().unwrap().clone()
}

/// Waits until the only delivery has this status.
pub(crate) async fn until_delivery(fixture: &Fixture, id: &str, status: &str) -> Value {
    eventually(&format!("the delivery is {status}"), TIMEOUT, async || {
        let mut all = deliveries(fixture, id).await;
        assert!(all.len() <= 1, "{all:?}");
        all.pop().filter(|delivery| delivery["status"] == status)
    })
    .await
}

/// Waits for that many requests.
pub(crate) async fn until_received(
    receiver: &crate::receiver::Receiver,
    count: usize,
) -> Vec<Received> {
    eventually(&format!("{count} requests"), TIMEOUT, async || {
        let requests = receiver.received();
        (requests.len() >= count).then_some(requests)
    })
    .await
}

/// Makes retries due at once.
pub(crate) async fn retry_now(fixture: &Fixture) {
    let retry = "UPDATE webhook_deliveries SET next_attempt_at = clock_timestamp()
                 WHERE status = 'pending' AND lease_token IS NULL;
                 NOTIFY exports_webhooks";
    fixture.database().execute(retry).await;
}

/// A request that selects everything.
pub(crate) fn everything() -> Value {
    json!({"start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"})
}
