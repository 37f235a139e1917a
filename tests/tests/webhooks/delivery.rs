//! What receivers get.

use std::time::Duration;

use exports_tests::{TIMEOUT, eventually, holds_within};
use serde_json::json;

use crate::receiver::{Answer, Receiver};
use crate::support::{
    create, deliveries, everything, fixture, path, retry_now, until_delivery, until_received,
};

const OLD: &str = "UPDATE exports SET expires_at = completed_at + interval '1 us'";

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_export_is_delivered_signed_and_as_the_api_shows_it() {
    // With the roles of a deployment.
    let fixture = fixture().roles().start().await;
    fixture.insert_one_message().await;
    let receiver = Receiver::answering(Answer::Status(204)).await;
    let (id, secret) = create(&fixture, &receiver.url(), &["export.completed"]).await;
    let export = fixture.create_export(everything()).await["id"].clone();
    let export = fixture
        .wait_until(export.as_str().unwrap(), "completed")
        .await;

    let delivery = until_delivery(&fixture, &id, "delivered").await;
    let requests = receiver.received();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    request.assert_signed_with(&secret);
    let body = request.json();
    assert_eq!(body["type"], "export.completed");
    assert_eq!(body["data"], export);
    assert_eq!(body["timestamp"], delivery["created_at"]);
    assert_eq!(body.as_object().unwrap().len(), 3);
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(
        delivery,
        json!({
            "id": request.id(), "event": "export.completed", "export_id": export["id"], "attempt": 1,
            "status": "delivered", "response_status": 204, "created_at": delivery["created_at"],
        })
    );

    // The webhook has not asked for this event.
    fixture.database().execute(OLD).await;
    fixture
        .wait_until(export["id"].as_str().unwrap(), "expired")
        .await;
    assert_eq!(deliveries(&fixture, &id).await.len(), 1);
    let logs = fixture.logs();
    assert!(!logs.contains("permission denied"), "{logs}");
    assert!(!logs.contains(&secret[6..]), "the log contains the secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_is_sent_once_also_while_the_webhook_is_disabled() {
    let fixture = fixture().start().await;
    let receiver = Receiver::answering(Answer::Status(410)).await;
    let (id, secret) = create(&fixture, &receiver.url(), &["export.failed"]).await;
    for count in 1..=2 {
        let tested = fixture
            .api()
            .post(&format!("{}/test", path(&id)), &json!({}))
            .await;
        let tested = tested.expect(202).data();
        assert_eq!(tested["event"], "export.test");
        assert!(tested.get("export_id").is_none(), "{tested}");
        let request = until_received(&receiver, count).await.remove(count - 1);
        request.assert_signed_with(&secret);
        assert_eq!(request.json()["type"], "export.test");
        assert_eq!(request.json()["data"], json!({ "webhook_id": id }));
        assert_eq!(request.id(), tested["id"]);
        eventually("the webhook is disabled by the 410", TIMEOUT, async || {
            let webhook = fixture.api().get(&path(&id)).await.expect(200).data();
            let all = deliveries(&fixture, &id).await;
            let failed = all.iter().all(|it| it["status"] == "failed");
            (webhook["status"] == "disabled" && failed).then(|| {
                assert_eq!(webhook["disabled_reason"], "gone");
            })
        })
        .await;
    }
    let enabled = fixture
        .api()
        .post(&format!("{}/enable", path(&id)), &json!({}))
        .await;
    let enabled = enabled.expect(200).data();
    assert_eq!(enabled["status"], "enabled");
    assert!(enabled.get("disabled_reason").is_none(), "{enabled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_day_after_a_rotation_both_secrets_sign() {
    let fixture = fixture().roles().start().await;
    let receiver = Receiver::answering(Answer::Status(200)).await;
    let (id, old) = create(&fixture, &receiver.url(), &["export.completed"]).await;
    let rotated = fixture
        .api()
        .post(&format!("{}/rotate", path(&id)), &json!({}))
        .await
        .expect(200);
    assert_eq!(rotated.header("cache-control"), Some("no-store"));
    let new = rotated.data()["secret"].as_str().unwrap().to_owned();
    assert_ne!(old, new);
    let test = format!("{}/test", path(&id));
    assert_eq!(fixture.api().post(&test, &json!({})).await.status, 202);
    let request = until_received(&receiver, 1).await.remove(0);
    request.assert_signed_with(&old);
    request.assert_signed_with(&new);
    let signatures: Vec<_> = request.header("webhook-signature").split(' ').collect();
    assert_eq!(signatures.len(), 2);
    until_delivery(&fixture, &id, "delivered").await;

    let later = "UPDATE webhooks SET previous_secret_until = clock_timestamp()";
    fixture.database().execute(later).await;
    assert_eq!(fixture.api().post(&test, &json!({})).await.status, 202);
    let request = until_received(&receiver, 2).await.remove(1);
    request.assert_signed_with(&new);
    assert!(!request.header("webhook-signature").contains(' '));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_repeated_with_the_same_id_and_body_and_no_redirect_is_followed() {
    let fixture = fixture().start().await;
    fixture.insert_one_message().await;
    let elsewhere = Receiver::answering(Answer::Status(200)).await;
    let target = elsewhere.url();
    let receiver = Receiver::start(move |number| match number {
        0 => Answer::Status(500),
        1 => Answer::Redirect(target.clone()),
        2 => Answer::Reset,
        _ => Answer::Status(200),
    })
    .await;
    let (id, secret) = create(&fixture, &receiver.url(), &["export.completed"]).await;
    fixture.create_export(everything()).await;
    let until_recorded = async |attempt: u32| {
        eventually("the attempt is recorded", TIMEOUT, async || {
            let delivery = deliveries(&fixture, &id).await.pop()?;
            let recorded = delivery["attempt"] == attempt
                && (delivery["status"] != "pending" || delivery["next_attempt_at"].is_string());
            recorded.then_some(delivery)
        })
        .await
    };
    for (attempt, status) in [(1, json!(500)), (2, json!(307)), (3, json!(null))] {
        let delivery = until_recorded(attempt).await;
        assert_eq!(delivery["status"], "pending", "{delivery}");
        assert_eq!(delivery["response_status"], status, "{delivery}");
        retry_now(&fixture).await;
    }
    assert_eq!(until_recorded(4).await["status"], "delivered");
    let requests = receiver.received();
    assert_eq!(requests.len(), 4);
    for request in &requests {
        request.assert_signed_with(&secret);
        assert_eq!(request.id(), requests[0].id());
        assert_eq!(request.body, requests[0].body);
    }
    holds_within(
        "no redirect is followed",
        Duration::from_millis(200),
        async || elsewhere.received().is_empty(),
    )
    .await;
}
