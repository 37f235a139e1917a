//! Requests that wait: `wait` and `Prefer: wait`.

use std::time::{Duration, Instant};

use exports_domain::ExportStatus;
use exports_tests::Message;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, assert_refused};
use crate::event_stream::{fail, idle};
use crate::shared::{Consumer, id_of, path, request, story};

/// A request with a preference.
pub(crate) async fn prefer(
    api: &Api,
    method: Method,
    path: &str,
    wait: &str,
    body: &Value,
) -> exports_tests::Reply {
    let wait = wait.to_owned();
    let body = (method == Method::POST).then(|| body.clone());
    api.send(method, path, |request| {
        let request = request.header("Prefer", wait);
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    })
    .await
}

#[test]
fn a_create_that_waits_returns_the_completed_export() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let message = Message::outbound(&consumer.project);
        consumer.fixture.insert_messages(&[message]).await;
        let begun = Instant::now();
        let reply = prefer(
            &consumer.api,
            Method::POST,
            "/v1/exports",
            "wait=30",
            &request(),
        )
        .await;
        let reply = reply.expect(201);
        assert_eq!(reply.header("preference-applied"), Some("wait=30"));
        let export = reply.data();
        assert_eq!(export["status"], "completed", "{export:#}");
        assert_eq!(export["row_count"], 1);
        assert!(begun.elapsed() < Duration::from_secs(20));
        let at = |name: &str| -> chrono::DateTime<chrono::Utc> {
            export[name].as_str().expect(name).parse().unwrap()
        };
        assert!(at("created_at") <= at("snapshot_at"));
        assert!(at("snapshot_at") <= at("completed_at"));
        assert!(export.get("progress").is_none());
    });
}

#[test]
fn a_wait_ends_after_its_time_with_the_export_as_it_is() {
    story(async |_| {
        let fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let begun = Instant::now();
        let created = prefer(
            &consumer.api,
            Method::POST,
            "/v1/exports",
            "wait=1",
            &request(),
        )
        .await;
        let export = created.expect(201).data();
        assert_eq!(export["status"], "pending");
        assert!(begun.elapsed() >= Duration::from_secs(1));
        let id = id_of(&export);

        let begun = Instant::now();
        let reply = consumer
            .api
            .get(&format!("{}?wait=1", path(&id)))
            .await
            .expect(200);
        assert!(begun.elapsed() >= Duration::from_secs(1));
        assert_eq!(reply.data()["status"], "pending");
        assert!(
            reply.header("preference-applied").is_none(),
            "no preference was given"
        );
        let etag = reply.header("etag").unwrap().to_owned();

        // The query has precedence over the preference.
        let begun = Instant::now();
        let reply = consumer
            .api
            .send(Method::GET, &format!("{}?wait=0", path(&id)), |request| {
                request.header("Prefer", "wait=30")
            })
            .await
            .expect(200);
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(reply.header("preference-applied").is_none());

        let conditional = |wait: &str| {
            let (etag, path) = (etag.clone(), format!("{}?wait={wait}", path(&id)));
            let api = consumer.api.clone();
            async move {
                let with_etag =
                    |request: reqwest::RequestBuilder| request.header("If-None-Match", etag);
                api.send(Method::GET, &path, with_etag).await
            }
        };
        let begun = Instant::now();
        let _ = conditional("1").await.expect(304);
        assert!(begun.elapsed() >= Duration::from_secs(1));
        let (reply, ()) = tokio::join!(conditional("30"), fail(&fixture, &id));
        assert_eq!(reply.expect(200).data()["status"], "failed");
        // It has ended, so there is nothing to wait for.
        let begun = Instant::now();
        let _ = consumer
            .api
            .get(&format!("{}?wait=60", path(&id)))
            .await
            .expect(200);
        assert!(begun.elapsed() < Duration::from_secs(20));
    });
}

#[test]
fn waits_have_bounds_and_preferences_are_never_an_error() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = consumer.put(consumer.row(ExportStatus::Failed)).await;
        for bad in ["61", "-1", "1.5", "x", "%2B1"] {
            let reply = consumer.api.get(&format!("{}?wait={bad}", path(&id))).await;
            assert_refused(&reply, 400, "INVALID_REQUEST", &["wait", "from 0 to 60"]);
        }
        for (given, applied) in [
            ("wait=0", Some("wait=0")),
            ("respond-async, WAIT=\"7\"", Some("wait=7")),
            ("wait=600", Some("wait=60")),
            ("wait=x", None),
            ("wait", None),
        ] {
            let reply = prefer(&consumer.api, Method::GET, &path(&id), given, &json!(null)).await;
            let reply = reply.expect(200);
            assert_eq!(reply.header("preference-applied"), applied, "{given}");
        }
        let unknown = uuid::Uuid::now_v7();
        for suffix in ["?wait=5", "/events"] {
            let reply = consumer
                .api
                .get(&format!("/v1/exports/{unknown}{suffix}"))
                .await;
            assert_refused(&reply, 404, "NOT_FOUND", &[]);
        }
        let stranger = fixtures.consumer().await;
        for suffix in ["?wait=5", "/events"] {
            let reply = stranger.api.get(&format!("{}{suffix}", path(&id))).await;
            assert_refused(&reply, 404, "NOT_FOUND", &[]);
        }
    });
}
