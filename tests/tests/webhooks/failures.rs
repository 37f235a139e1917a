//! Receivers that do not work, and addresses that must not be reached.

use std::time::Duration;

use exports_tests::{TIMEOUT, eventually, holds_within};
use serde_json::json;

use crate::receiver::{Answer, Receiver};
use crate::support::{
    create, deliveries, everything, fixture, insert, path, retry_now, until_delivery,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_failed_for_five_days_is_disabled_with_its_deliveries() {
    let fixture = fixture().start().await;
    fixture.insert_one_message().await;
    let receiver = Receiver::answering(Answer::Status(503)).await;
    let (id, _) = create(&fixture, &receiver.url(), &["export.completed"]).await;
    fixture.create_export(everything()).await;
    eventually("the attempt failed", TIMEOUT, async || {
        let failing = "SELECT failing_since IS NOT NULL FROM webhooks";
        (fixture.database().value(failing).await == true).then_some(())
    })
    .await;
    let webhook = fixture.api().get(&path(&id)).await.expect(200).data();
    assert_eq!(webhook["status"], "enabled");

    let earlier = "UPDATE webhooks SET failing_since = failing_since - interval '5 days'";
    fixture.database().execute(earlier).await;
    retry_now(&fixture).await;
    eventually("the webhook is disabled", TIMEOUT, async || {
        let webhook = fixture.api().get(&path(&id)).await.expect(200).data();
        (webhook["disabled_reason"] == "failing").then_some(())
    })
    .await;
    // Events of a disabled webhook are not written.
    let export = fixture.create_export(everything()).await["id"].clone();
    fixture
        .wait_until(export.as_str().unwrap(), "completed")
        .await;
    assert_eq!(deliveries(&fixture, &id).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_hang_do_not_delay_others() {
    let fixture = fixture().start().await;
    fixture.insert_one_message().await;
    let hanging = Receiver::answering(Answer::Hang).await;
    let quick = Receiver::answering(Answer::Status(200)).await;
    for _ in 0..5 {
        create(&fixture, &hanging.url(), &["export.completed"]).await;
    }
    let (id, _) = create(&fixture, &quick.url(), &["export.completed"]).await;
    let started = std::time::Instant::now();
    for _ in 0..20 {
        fixture.create_export(everything()).await;
    }
    eventually("all are delivered", Duration::from_secs(14), async || {
        let all = deliveries(&fixture, &id).await;
        let delivered = all.iter().filter(|it| it["status"] == "delivered");
        (delivered.count() == 20).then_some(())
    })
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "before the timeout"
    );
    // Four for each of the five.
    assert!(hanging.received().len() <= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_allowed_is_never_connected_to() {
    // A webhook from a time when it was allowed.
    let fixture = exports_tests::Fixture::builder().start().await;
    let receiver = Receiver::answering(Answer::Status(200)).await;
    let port = receiver.port();
    let spellings = [
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://0x7f.1:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://0:{port}/"),
        format!("http://127.0.0.1:{port}/"),
    ];
    let mut ids = Vec::new();
    for url in &spellings {
        ids.push(insert(&fixture, url).await.0.to_string());
    }
    for id in &ids {
        let test = format!("{}/test", path(id));
        assert_eq!(fixture.api().post(&test, &json!({})).await.status, 202);
    }
    for id in &ids {
        let delivery = until_delivery(&fixture, id, "failed").await;
        assert!(delivery.get("response_status").is_none(), "{delivery}");
    }
    let errors = "SELECT count(*) FROM webhook_deliveries WHERE error LIKE 'the url must %'";
    assert_eq!(fixture.database().value(errors).await, ids.len());
    holds_within("nothing was sent", Duration::from_millis(100), async || {
        receiver.received().is_empty()
    })
    .await;
}
