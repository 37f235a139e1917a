//! Event streams.

use std::time::{Duration, Instant};

use exports_domain::ExportStatus;
use exports_tests::{ExportRow, TIMEOUT, eventually};
use serde_json::{Value, json};

use crate::api::Api;
use crate::event_stream::{FIVE_SECONDS, Stream, fail, idle};
use crate::shared::{Consumer, id_of, path, request, story};

/// Shorter than the time after which a lost notification is found.
const AT_ONCE: Duration = Duration::from_millis(2500);

#[test]
fn an_event_stream_shows_every_state_and_ends_with_the_export() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let mut all = Stream::open(&consumer.api, "/v1/exports/events", None).await;
        let id = id_of(&consumer.create(&request()).await);
        let mut stream = Stream::of(&consumer.api, &id).await;
        let mut last = None;
        while let Some(event) = stream.next().await {
            assert_eq!((&*event.name, &event.data["id"]), ("export", &json!(id)));
            last = Some(event);
        }
        let last = last.expect("an event");
        assert_eq!(last.data["status"], "completed");
        assert_eq!(
            last.data,
            consumer.get(&id).await,
            "the event is the export object"
        );

        // Nothing has changed since: no event, and the stream ends.
        let events = format!("{}/events", path(&id));
        let mut again = Stream::open(&consumer.api, &events, last.id.as_deref()).await;
        assert!(again.next().await.is_none());
        let mut other = Stream::open(&consumer.api, &events, Some("other")).await;
        assert_eq!(other.next().await.unwrap().id, last.id);

        // The stream of the project has the same events and does not end.
        loop {
            let event = all.next().await.unwrap();
            assert_eq!((&*event.name, &event.data["id"]), ("export", &json!(id)));
            if event.data["status"] == "completed" {
                assert_eq!(event.id, last.id);
                break;
            }
        }
        assert_eq!(consumer.api.delete(&path(&id)).await.status, 204);
        let deleted = all.next_within(AT_ONCE).await.unwrap();
        assert_eq!(
            (&*deleted.name, deleted.data),
            ("deleted", json!({ "id": id }))
        );
        let stranger = fixtures.consumer().await;
        stranger.create(&request()).await;
        let mut fresh = Stream::open(&consumer.api, "/v1/exports/events", None).await;
        let second = id_of(&consumer.create(&request()).await);
        for stream in [&mut all, &mut fresh] {
            assert_eq!(stream.next().await.unwrap().data["id"], second);
        }
    });
}

#[test]
fn a_lost_notification_is_found_and_a_lost_database_connection_ends_no_stream() {
    story(async |_| {
        let fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let one = id_of(&consumer.create(&request()).await);
        let mut all = Stream::open(&consumer.api, "/v1/exports/events", None).await;
        assert_eq!(all.next().await.unwrap().data["id"], one);
        let mut stream = Stream::of(&consumer.api, &one).await;
        assert_eq!(stream.next().await.unwrap().data["status"], "pending");
        let poll = tokio::spawn({
            let (api, path) = (consumer.api.clone(), format!("{}?wait=30", path(&one)));
            async move { api.get(&path).await }
        });
        // Like a restart of the server, which closes every connection.
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename LIKE '%api%'";
        let killed = fixture.database().value(kill).await;
        assert!(killed.as_u64().unwrap() > 0);
        fail(&fixture, &one).await;
        let begun = Instant::now();
        let event = stream.next_within(FIVE_SECONDS).await.unwrap();
        assert_eq!(event.data["status"], "failed");
        assert!(stream.next().await.is_none());
        let event = all.next_within(FIVE_SECONDS).await.unwrap();
        assert_eq!(event.data["status"], "failed");
        assert_eq!(poll.await.unwrap().expect(200).data()["status"], "failed");
        assert!(begun.elapsed() < FIVE_SECONDS);

        // Also what is created and has ended without any notification.
        let row = ExportRow::of(fixture.project(), ExportStatus::Failed)
            .with_ago("created_at", chrono::TimeDelta::zero());
        let row = row.with("started_at", Value::Null).with("attempt", 0);
        let other = row.insert(fixture.database().pool()).await.to_string();
        let event = all.next_within(FIVE_SECONDS).await.unwrap();
        assert_eq!(event.data["id"], other);
        fixture
            .database()
            .execute(format!("DELETE FROM exports WHERE id = '{other}'"))
            .await;
        let event = all.next_within(FIVE_SECONDS).await.unwrap();
        assert_eq!(
            (&*event.name, &event.data["id"]),
            ("deleted", &json!(other))
        );
    });
}

#[test]
fn a_change_is_seen_at_once_by_every_api_process() {
    story(async |_| {
        let fixture = idle().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let (_process, other) = fixture.another_api().await;
        let other = Api::new(other);
        let mut streams = Vec::new();
        for api in [&consumer.api, &other] {
            streams.push(Stream::open(api, "/v1/exports/events", None).await);
        }
        // The listeners may not be connected yet; what they missed is found later.
        let first = id_of(&consumer.create(&request()).await);
        for stream in &mut streams {
            assert_eq!(stream.next().await.unwrap().data["id"], first);
        }
        let listens = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        eventually("both processes listen", TIMEOUT, async || {
            (fixture.database().value(listens).await == 2).then_some(())
        })
        .await;
        let second = id_of(
            &other
                .post("/v1/exports", &request())
                .await
                .expect(201)
                .data(),
        );
        for stream in &mut streams {
            let event = stream.next_within(AT_ONCE).await.unwrap();
            assert_eq!(event.data["id"], second);
        }
    });
}
