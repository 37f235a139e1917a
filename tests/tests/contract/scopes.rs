//! Scopes, expiry, rotation and suspension: what each kind of key may do at each endpoint.

use std::time::{Duration, Instant};

use exports_database::{NewKey, NewWebhook, Rotated, WebhookSecret};
use exports_domain::ExportStatus::{Completed, Pending};
use exports_domain::{ProjectId, Scope, WebhookEvent, WebhookId};
use exports_tests::{Fixture, Reply, eventually};
use reqwest::Method;
use serde_json::json;

use crate::api::{Api, assert_refused};
use crate::shared::{Consumer, SIGNING_KEY, id_of, path, request, story};

/// The operations under `/v1` that change something; the others need only the scope `read`.
const WRITES: [(&str, &str); 7] = [
    ("post", "/v1/exports"),
    ("delete", "/v1/exports/{id}"),
    ("post", "/v1/export-webhooks"),
    ("delete", "/v1/export-webhooks/{id}"),
    ("post", "/v1/export-webhooks/{id}/rotate"),
    ("post", "/v1/export-webhooks/{id}/test"),
    ("post", "/v1/export-webhooks/{id}/enable"),
];
/// A change of a key or a project holds everywhere within this time.
const NOTICED: Duration = Duration::from_secs(5);

fn project(consumer: &Consumer<'_>) -> ProjectId {
    consumer.project.parse().unwrap()
}

async fn api_with_key(consumer: &Consumer<'_>, scope: Scope, valid_for: Option<Duration>) -> Api {
    let new = NewKey {
        project: &project(consumer),
        label: None,
        scope,
        valid_for,
    };
    let issued = consumer.fixture.storage().issue_key(&new).await;
    let secret = issued.unwrap().unwrap().secret;
    Api::new(consumer.fixture.api().with_key(&secret))
}

/// Every operation of the document under `/v1`: method and template.
async fn operations(api: &Api) -> Vec<(String, String)> {
    let document = api.get("/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().unwrap();
    let keyed = paths.iter().filter(|(path, _)| path.starts_with("/v1"));
    keyed
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| (method.clone(), path.clone()))
        })
        .collect()
}

/// Sends an operation, each on an export of its own.
async fn send(api: &Api, consumer: &Consumer<'_>, method: &str, template: &str) -> Reply {
    let is_webhook = template.starts_with("/v1/export-webhooks");
    let id = if is_webhook {
        webhook(consumer).await
    } else {
        consumer.put(consumer.row(Completed)).await
    };
    let path = template.replace("{id}", &id);
    let method: Method = method.to_uppercase().parse().unwrap();
    let body = (method == Method::POST).then(|| {
        if is_webhook {
            json!({"url": "https://example.com/webhooks"})
        } else {
            request()
        }
    });
    api.send(method, &path, |request| match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

/// A webhook of the consumer. A project has at most 10, so there is only one.
async fn webhook(consumer: &Consumer<'_>) -> String {
    let (storage, project) = (consumer.fixture.storage(), project(consumer));
    for webhook in storage.list_webhooks(&project).await.unwrap() {
        storage.delete_webhook(&project, webhook.id).await.unwrap();
    }
    let new = NewWebhook {
        id: WebhookId::generate(),
        project,
        url: "https://example.com/webhooks".to_owned(),
        events: WebhookEvent::DEFAULT.to_vec(),
        secret: WebhookSecret::generate(),
    };
    storage.create_webhook(&new).await.unwrap();
    new.id.to_string()
}

fn is_write(method: &str, template: &str) -> bool {
    WRITES.contains(&(method, template))
}

#[test]
fn a_read_key_may_only_read_and_a_write_key_everything() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let operations = operations(&consumer.api).await;
        assert!(operations.len() >= 5, "{operations:?}");
        for (method, template) in &operations {
            for scope in [Scope::Read, Scope::Write] {
                let api = api_with_key(&consumer, scope, None).await;
                let reply = send(&api, &consumer, method, template).await;
                let place = format!("{scope} {method} {template}: {}", reply.status);
                if scope == Scope::Read && is_write(method, template) {
                    assert_refused(&reply, 403, "FORBIDDEN", &["a key with the scope write"]);
                } else {
                    assert!(reply.status < 400, "{place}");
                }
            }
        }
    });
}

#[test]
fn a_refused_write_changes_nothing() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = consumer.put(consumer.row(Completed)).await;
        let reader = api_with_key(&consumer, Scope::Read, None).await;
        assert_eq!(reader.delete(&path(&id)).await.status, 403);
        assert_eq!(reader.post("/v1/exports", &request()).await.status, 403);
        let list = reader.get("/v1/exports").await.expect(200).data();
        assert_eq!(list.as_array().unwrap().len(), 1);
        assert_eq!(id_of(&list[0]), id);
    });
}

/// The API has the key in its cache, and still rejects it when it expires.
#[test]
fn a_key_is_rejected_at_every_endpoint_from_the_moment_of_its_expiry() {
    const VALID_FOR: Duration = Duration::from_secs(2);
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let issued = Instant::now();
        let api = api_with_key(&consumer, Scope::Write, Some(VALID_FOR)).await;
        let expired = Instant::now() + VALID_FOR + Duration::from_millis(100);
        loop {
            let reply = api.get("/v1/exports").await;
            if issued.elapsed() >= VALID_FOR {
                break;
            }
            assert_eq!(reply.status, 200, "{:?}", issued.elapsed());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep_until(expired.into()).await;
        for (method, template) in operations(&consumer.api).await {
            let reply = send(&api, &consumer, &method, &template).await;
            assert_refused(&reply, 401, "UNAUTHORIZED", &["Invalid or missing API key"]);
        }
    });
}

#[test]
fn both_keys_work_during_the_overlap_of_a_rotation_and_then_only_the_new_one() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let storage = consumer.fixture.storage();
        let old = storage.list_keys(Some(&project(&consumer))).await.unwrap();
        let overlap = Duration::from_hours(1);
        let rotated = storage.rotate_key(old[0].id, overlap).await.unwrap();
        let Rotated::Done { new, .. } = rotated else {
            panic!("an active key")
        };
        let renewed = Api::new(consumer.fixture.api().with_key(&new.secret));
        for (method, template) in operations(&consumer.api).await {
            for api in [&consumer.api, &renewed] {
                let reply = send(api, &consumer, &method, &template).await;
                assert!(reply.status < 400, "{method} {template}: {}", reply.status);
            }
        }
        let end = format!(
            "UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = '{}'",
            old[0].id
        );
        consumer.fixture.database().execute(end).await;
        let reply = eventually("the old key is rejected", NOTICED, async || {
            let reply = consumer.api.get("/v1/exports").await;
            (reply.status != 200).then_some(reply)
        })
        .await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[]);
        let _ = renewed.get("/v1/exports").await.expect(200);
    });
}

#[test]
fn every_request_of_a_suspended_project_is_forbidden_until_it_is_resumed() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let other = fixtures.consumer().await;
        let done = consumer.completed().await;
        let link = consumer.link(&id_of(&done)).await;
        assert_eq!(consumer.follow(&link).await.status, 200);
        let storage = consumer.fixture.storage();
        storage.suspend_project(&project(&consumer)).await.unwrap();

        let reply = consumer.follow(&link).await;
        assert_refused(&reply, 403, "FORBIDDEN", &["the project is suspended"]);
        eventually("the keys are refused", NOTICED, async || {
            let reply = consumer.api.get("/v1/exports").await;
            (reply.status == 403).then_some(())
        })
        .await;
        for (method, template) in operations(&other.api).await {
            let reply = send(&consumer.api, &consumer, &method, &template).await;
            assert_refused(&reply, 403, "FORBIDDEN", &["the project is suspended"]);
        }
        let _ = other.api.get("/v1/exports").await.expect(200);

        storage.resume_project(&project(&consumer)).await.unwrap();
        eventually("the keys are accepted", NOTICED, async || {
            let reply = consumer.api.get("/v1/exports").await;
            (reply.status == 200).then_some(())
        })
        .await;
        assert_eq!(consumer.follow(&link).await.status, 200);
    });
}

/// The create reaches the API while its cache does not know the suspension.
#[test]
fn an_export_that_is_created_right_after_a_suspension_waits_until_the_project_is_resumed() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let _ = consumer.api.get("/v1/exports").await.expect(200);
        let storage = consumer.fixture.storage();
        let project = project(&consumer);
        storage.suspend_project(&project).await.unwrap();
        let reply = consumer.api.post("/v1/exports", &request()).await;
        let id = id_of(&reply.expect(201).data());
        let status = format!("SELECT status FROM exports WHERE id = '{id}'");
        let database = consumer.fixture.database();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(database.value(&status).await, json!(Pending.as_str()));
        storage.resume_project(&project).await.unwrap();
        assert_eq!(storage.resume_exports(&project, 10).await.unwrap(), 1);
        eventually("the export is completed", NOTICED * 2, async || {
            (database.value(&status).await == "completed").then_some(())
        })
        .await;
    });
}

#[test]
fn links_of_the_previous_signing_key_are_valid_and_new_ones_have_the_current_key() {
    const NEXT_KEY: &str = "the next signing key of the contract: 44 bytes";
    story(async |_| {
        let builder = Fixture::builder().api_env("EXPORTS_SIGNING_KEY", NEXT_KEY);
        let fixture = builder
            .api_env("EXPORTS_SIGNING_KEY_PREVIOUS", SIGNING_KEY)
            .start()
            .await;
        let consumer = Consumer::owner_of(&fixture);
        let export = consumer.completed().await;
        let id = id_of(&export);
        let by_current = consumer.link(&id).await;
        assert_eq!(consumer.follow(&by_current).await.status, 200);

        let key = format!("SELECT object_key FROM exports WHERE id = '{id}'");
        let key = fixture.database().value(&key).await;
        let query: Vec<_> = by_current.query_pairs().into_owned().collect();
        let expires: i64 = query[0].1.parse().unwrap();
        for (signing_key, status) in [
            (NEXT_KEY, 200),
            (SIGNING_KEY, 200),
            ("a third key, which was never configured", 403),
        ] {
            let signer = exports_objects::LinkSigner::new(signing_key.as_bytes());
            let signature = signer.sign(&id, key.as_str().unwrap(), expires);
            assert_eq!(signature == query[1].1, signing_key == NEXT_KEY);
            let mut link = by_current.clone();
            link.query_pairs_mut()
                .clear()
                .append_pair("expires", &expires.to_string())
                .append_pair("signature", &signature);
            assert_eq!(consumer.follow(&link).await.status, status, "{signing_key}");
        }
    });
}
