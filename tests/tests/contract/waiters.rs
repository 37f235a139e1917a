//! Waits and event streams together: how many a project may have, and what ends them.

use std::time::{Duration, Instant};

use exports_tests::{Scrape, TIMEOUT, eventually};
use reqwest::Method;

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
        let list = consumer.api.get("/v1/exports").await.expect(200).data();
        assert_eq!(list.as_array().unwrap().len(), 1, "nothing was created");
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
