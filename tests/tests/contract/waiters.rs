//! Waits and event streams together: how many a project may have, and what ends them.

use std::time::{Duration, Instant};

use exports_domain::ExportStatus;
use exports_tests::{Scrape, TIMEOUT, eventually};
use reqwest::Method;
use serde_json::json;

use crate::api::assert_refused;
use crate::event_stream::{FIVE_SECONDS, Stream, fail, idle};
use crate::shared::{Consumer, id_of, path, request, story};
use crate::waits::prefer;

#[test]
fn a_revoked_key_ends_its_streams_within_five_seconds() {
    story(async |_| {
        let fixture = idle().start().await;
        let owner = Consumer::owner_of(&fixture);
        let revoked = Consumer::new_on(&fixture).await;
        let id = id_of(&owner.create(&request()).await);
        let mut kept = Stream::of(&owner.api, &id).await;
        assert!(kept.next().await.is_some());
        let mut stream = Stream::open(&revoked.api, "/v1/exports/events", None).await;
        let theirs = id_of(&revoked.create(&request()).await);
        assert_eq!(stream.next().await.unwrap().data["id"], theirs);
        let poll = tokio::spawn({
            let (api, path) = (revoked.api.clone(), format!("{}?wait=30", path(&theirs)));
            async move { api.get(&path).await }
        });
        let keys = fixture.storage().revoke_keys(revoked.api.key()).await;
        assert_eq!(keys.unwrap().len(), 1);
        assert!(stream.next_within(FIVE_SECONDS).await.is_none());
        assert_refused(&poll.await.unwrap(), 401, "UNAUTHORIZED", &[]);
        fail(&fixture, &id).await;
        let event = kept.next().await.unwrap();
        assert_eq!(event.data["status"], "failed", "the other stream lives");
    });
}

#[test]
fn a_suspended_project_ends_its_waiting_requests_within_five_seconds() {
    story(async |_| {
        let fixture = idle().start().await;
        let owner = Consumer::owner_of(&fixture);
        let suspended = Consumer::new_on(&fixture).await;
        let id = id_of(&owner.create(&request()).await);
        let mut kept = Stream::of(&owner.api, &id).await;
        assert!(kept.next().await.is_some());
        let theirs = id_of(&suspended.create(&request()).await);
        let open = async || {
            let mut all = Stream::open(&suspended.api, "/v1/exports/events", None).await;
            let mut one = Stream::of(&suspended.api, &theirs).await;
            for stream in [&mut all, &mut one] {
                assert_eq!(stream.next().await.unwrap().data["id"], theirs);
            }
            [all, one]
        };
        let streams = open().await;
        let wait = |method: Method, path: String| {
            let api = suspended.api.clone();
            tokio::spawn(async move { prefer(&api, method, &path, "wait=60", &request()).await })
        };
        let poll = wait(Method::GET, path(&theirs));
        let create = wait(Method::POST, "/v1/exports".to_owned());
        let exports = format!(
            "SELECT count(*) FROM exports WHERE project_id = '{}'",
            suspended.project
        );
        eventually("the second export is created", TIMEOUT, async || {
            (fixture.database().value(&exports).await == 2).then_some(())
        })
        .await;

        let project = suspended.project.parse().unwrap();
        fixture.storage().suspend_project(&project).await.unwrap();
        let begun = Instant::now();
        for mut stream in streams {
            // The second export may be an event before the end.
            while stream.next_within(FIVE_SECONDS).await.is_some() {}
        }
        assert_refused(
            &poll.await.unwrap(),
            403,
            "FORBIDDEN",
            &["the project is suspended"],
        );
        // It was created, so an error would make its client create another one.
        let created = create.await.unwrap().expect(201).data();
        assert_eq!(created["status"], "pending");
        assert!(begun.elapsed() < FIVE_SECONDS, "{:?}", begun.elapsed());
        fail(&fixture, &id).await;
        let event = kept.next().await.unwrap();
        assert_eq!(event.data["status"], "failed", "the other project's lives");

        fixture.storage().resume_project(&project).await.unwrap();
        eventually("the project is resumed", TIMEOUT, async || {
            (suspended.api.get(&path(&theirs)).await.status == 200).then_some(())
        })
        .await;
        let mut streams = open().await;
        fail(&fixture, &theirs).await;
        for stream in &mut streams {
            loop {
                let event = stream.next_within(FIVE_SECONDS).await.unwrap();
                if event.data["id"] == theirs && event.data["status"] == "failed" {
                    break;
                }
            }
        }
    });
}

#[test]
fn waiting_requests_of_a_project_are_limited() {
    story(async |_| {
        let mut fixture = idle()
            .api_env("EXPORTS_MAX_STREAMS_PER_PROJECT", "2")
            .start()
            .await;
        let metrics = fixture
            .api_process()
            .wait_for_event("metrics listening")
            .await;
        let metrics = metrics["address"].as_str().unwrap().to_owned();
        let consumer = Consumer::owner_of(&fixture);
        let id = id_of(&consumer.create(&request()).await);
        let first = Stream::of(&consumer.api, &id).await;
        let _second = Stream::open(&consumer.api, "/v1/exports/events", None).await;
        for suffix in ["?wait=1", "/events"] {
            let reply = consumer.api.get(&format!("{}{suffix}", path(&id))).await;
            assert_refused(
                &reply,
                429,
                "RATE_LIMITED",
                &["waiting and event-stream", "is 2"],
            );
            assert_eq!(reply.header("ratelimit-policy"), Some("\"streams\";q=2"));
        }
        let reply = prefer(
            &consumer.api,
            Method::POST,
            "/v1/exports",
            "wait=1",
            &request(),
        )
        .await;
        assert_refused(&reply, 429, "RATE_LIMITED", &[]);
        let ended = consumer.put_without_file(consumer.row(ExportStatus::Failed));
        let retry = format!("{}/retry", path(&ended.await));
        let reply = prefer(&consumer.api, Method::POST, &retry, "wait=1", &json!({})).await;
        assert_refused(&reply, 429, "RATE_LIMITED", &["waiting and event-stream"]);
        let list = consumer.api.get("/v1/exports").await.expect(200).data();
        assert_eq!(list.as_array().unwrap().len(), 2, "nothing was created");
        consumer.get(&id).await;
        let open = async |kind: &str| {
            let scrape = Scrape::of(&metrics).await;
            scrape.value("exports_open_waiters", &[("kind", kind)])
        };
        assert!((open("stream").await - 2.0).abs() < 0.1);
        let another = Consumer::new_on(&fixture).await;
        let theirs = id_of(&another.create(&request()).await);
        drop(Stream::of(&another.api, &theirs).await);
        drop(first);
        eventually("the streams are closed", TIMEOUT, async || {
            ((open("stream").await - 1.0).abs() < 0.1).then_some(())
        })
        .await;
        let _ = consumer
            .api
            .get(&format!("{}?wait=1", path(&id)))
            .await
            .expect(200);
        assert!(open("wait").await < 0.1);
    });
}

#[test]
fn a_shutdown_answers_waiting_requests_at_once() {
    story(async |_| {
        let mut fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let (api, id) = (
            consumer.api.clone(),
            id_of(&consumer.create(&request()).await),
        );
        let mut stream = Stream::of(&api, &id).await;
        assert!(stream.next().await.is_some());
        let mut all = Stream::open(&api, "/v1/exports/events", None).await;
        assert!(all.next().await.is_some());
        let poll = tokio::spawn({
            let (api, path) = (api.clone(), format!("{}?wait=60", path(&id)));
            async move { api.get(&path).await }
        });
        let metrics = fixture
            .api_process()
            .wait_for_event("metrics listening")
            .await;
        let metrics = metrics["address"].as_str().unwrap().to_owned();
        eventually("the request waits", TIMEOUT, async || {
            let scrape = Scrape::of(&metrics).await;
            (scrape.value("exports_open_waiters", &[("kind", "wait")]) > 0.5).then_some(())
        })
        .await;
        fixture.api_process().terminate();
        let begun = Instant::now();
        assert_eq!(poll.await.unwrap().expect(200).data()["status"], "pending");
        assert!(stream.next().await.is_none() && all.next().await.is_none());
        assert_eq!(fixture.api_process().wait().await.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(15));
    });
}
