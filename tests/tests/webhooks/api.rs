//! The endpoints.

use exports_tests::Fixture;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{create, path};

const PATH: &str = "/v1/export-webhooks";
const URL: &str = "https://example.com/webhooks";

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_created_listed_and_deleted_and_shows_its_secret_once() {
    let fixture = Fixture::builder().workers(0).roles().start().await;
    let api = fixture.api();
    let created = api.post(PATH, &json!({ "url": URL })).await.expect(201);
    let location = created.header("location").unwrap().to_owned();
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let mut webhook = created.data();
    let secret = webhook["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    let id = webhook["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("{}{PATH}/{id}", api.base()));
    webhook.as_object_mut().unwrap().remove("secret");
    assert_eq!(
        webhook,
        json!({
            "id": id, "url": URL, "events": ["export.completed", "export.failed"], "status": "enabled",
            "created_at": webhook["created_at"],
        })
    );
    assert_eq!(api.get(&path(&id)).await.expect(200).data(), webhook);
    let (second, _) = create(&fixture, URL, &["export.expired"]).await;
    let list = api.get(PATH).await.expect(200);
    assert_eq!(list.data().as_array().unwrap().len(), 2);
    assert_eq!(list.data()[0], webhook);
    assert!(!list.text().contains("whsec_"));

    assert_eq!(api.delete(&path(&second)).await.status, 204);
    assert_eq!(api.delete(&path(&second)).await.status, 404);
    assert_eq!(api.get(PATH).await.expect(200).data(), json!([webhook]));
    assert!(!fixture.api_log().contains(&secret[6..]));
    assert!(fixture.api_log().contains("webhook.create"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_at_most_ten_also_after_concurrent_creates() {
    let fixture = Fixture::builder().workers(0).start().await;
    let body = json!({ "url": URL });
    let creates = (0..30).map(|_| fixture.api().post(PATH, &body));
    let replies = join_all(creates).await;
    let succeeded = replies.iter().filter(|reply| reply.status == 201);
    assert_eq!(succeeded.count(), 10);
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        assert_eq!(reply.status, 409, "{}", reply.text());
        assert_eq!(reply.json()["error"]["code"], "TOO_MANY_WEBHOOKS");
    }
    let list = fixture.api().get(PATH).await.expect(200).data();
    let first = list[0]["id"].as_str().unwrap();
    assert_eq!(fixture.api().delete(&path(first)).await.status, 204);
    assert_eq!(fixture.api().post(PATH, &body).await.status, 201);
    assert_eq!(fixture.api().post(PATH, &body).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_name_every_fault() {
    let fixture = Fixture::builder().workers(0).start().await;
    for (body, message) in [
        (json!({}), "url is required"),
        (json!({"url": 1}), "url must be a string"),
        (json!({"url": ""}), "url must not be empty"),
        (
            json!({"url": "http://example.com/"}),
            "url must start with https://",
        ),
        (
            json!({"url": "https://user@example.com/"}),
            "url must not contain a user name or a password",
        ),
        (
            json!({"url": "https://10.1/"}),
            "url must not lead to a loopback",
        ),
        (
            json!({"url": "https://[::ffff:10.0.0.1]/"}),
            "url must not lead to a loopback",
        ),
        (
            json!({"url": URL, "events": []}),
            "events must have 1 to 50 values",
        ),
        (
            json!({"url": URL, "events": ["export.test"]}),
            "events[0] must be one of export.completed, export.failed, export.expired",
        ),
        (
            json!({"url": URL, "secret": "x"}),
            "unknown field \"secret\"",
        ),
    ] {
        let reply = fixture.api().post(PATH, &body).await.expect(400).json();
        let error = &reply["error"];
        assert_eq!(error["code"], "INVALID_REQUEST");
        let shown = error["message"].as_str().unwrap();
        assert!(shown.starts_with(message), "{shown}");
    }
    let reply = fixture.api().get("/v1/export-webhooks/no-uuid").await;
    assert_eq!(
        reply.expect(400).json()["error"]["message"],
        "id must be a UUID"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_projects_webhook_cannot_be_told_from_one_that_does_not_exist() {
    let fixture = Fixture::builder().workers(0).start().await;
    let (id, _) = create(&fixture, URL, &["export.completed"]).await;
    let stranger = fixture.another_consumer("proj_other").await;
    let mut answers: Vec<Value> = Vec::new();
    for id in [id, Uuid::now_v7().to_string()] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::POST, "/rotate"),
            (Method::POST, "/test"),
            (Method::POST, "/enable"),
            (Method::GET, "/deliveries"),
        ] {
            let request = stranger.request(method, &format!("{}{rest}", path(&id)));
            let reply = stranger.send(request).await.expect(404);
            answers.push(reply.json()["error"].clone());
        }
    }
    let expected = json!({"code": "NOT_FOUND", "message": "Webhook not found"});
    assert!(
        answers.iter().all(|answer| *answer == expected),
        "{answers:?}"
    );
    assert_eq!(stranger.get(PATH).await.expect(200).data(), json!([]));
}
