//! The database or the store is unavailable, or loses a response: what a consumer sees.

use std::time::Duration;

use exports_domain::ExportStatus;
use exports_tests::s3::{Fault, Kind};
use exports_tests::{
    Fixture, Loss, Reply, StoreKind, TIMEOUT, eventually, holds_within, private_standby,
};
use futures_util::future::join_all;
use reqwest::Method;

use crate::api::{Api, assert_refused};
use crate::shared::{Consumer, id_of, path, request, story};

fn assert_unavailable(reply: &Reply) {
    assert_refused(reply, 503, "UNAVAILABLE", &[]);
    let seconds = reply.header("retry-after").expect("when to come back");
    assert!(seconds.parse::<u64>().is_ok(), "whole seconds: {seconds}");
    let message = reply.error_message();
    for internal in ["postgres", "sql", "127.0.0.1", "connection", "exports_"] {
        assert!(!message.contains(internal), "{message}");
    }
}

/// One request of every operation that asks the database, on an export that is not there.
async fn every_operation(api: &Api) -> Vec<Reply> {
    let nothing = path("01935abc-def0-7123-4567-890abcdef012");
    let download = format!("{nothing}/download");
    vec![
        api.post("/v1/exports", &request()).await,
        api.post_keyed("a-key", &request()).await,
        api.get("/v1/exports").await,
        api.get(&nothing).await,
        api.get(&download).await,
        api.get(&format!("{download}?redirect=false")).await,
        api.delete(&nothing).await,
        api.without_key()
            .get(&format!("/files/{}?expires=1&signature=a", &nothing[12..]))
            .await,
    ]
}

#[test]
fn a_create_whose_answer_from_the_database_is_lost_is_answered_201_once() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let mut ids = Vec::new();
        for (loss, key) in [
            (Loss::Reply, None),
            (Loss::Request, None),
            (Loss::Reply, Some("a-key")),
            (Loss::Request, Some("another-key")),
        ] {
            // Of all statements only the insert has the project among its parameters.
            let lost = fixture.database_proxy().lost();
            fixture
                .database_proxy()
                .lose_at(loss, consumer.project.as_str());
            let reply = match key {
                Some(key) => consumer.api.post_keyed(key, &request()).await,
                None => consumer.api.post("/v1/exports", &request()).await,
            };
            assert_eq!(fixture.database_proxy().lost(), lost + 1, "{loss:?}");
            let reply = reply.expect(201);
            assert_eq!(reply.header("idempotency-replayed"), None, "{loss:?}");
            ids.push(id_of(&reply.data()));
        }
        let list = consumer.api.get("/v1/exports").await.expect(200).data();
        let mut listed: Vec<_> = list.as_array().unwrap().iter().map(id_of).collect();
        listed.reverse();
        assert_eq!(listed, ids, "each exists once");
    });
}

#[test]
fn while_the_database_is_away_everything_is_503_and_afterwards_all_is_well() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let api = &consumer.api;
        // Every connection of the pool is open, and is going to be a dead one.
        let warm = join_all((0..16).map(|_| api.get("/v1/exports"))).await;
        assert!(warm.iter().all(|reply| reply.status == 200));

        for _ in 0..2 {
            fixture.database_proxy().make_unavailable();
            for reply in every_operation(api).await {
                assert_unavailable(&reply);
            }
            assert_unavailable(&api.get("/readyz").await);
            let _ = api.without_key().get("/healthz").await.expect(200);
            let _ = api.get("/openapi.json").await.expect(200);
            // Longer than a connection may lie idle without being tried before its next use.
            holds_within("it stays away", Duration::from_millis(1200), async || {
                api.get("/readyz").await.status == 503
            })
            .await;
            // Nothing but the key needs the database here, and an earlier answer may serve a while.
            let limit = Duration::from_secs(5);
            let reply = eventually("the key is asked for again", limit, async || {
                let reply = api.get("/v1/no/route").await;
                (reply.status != 404).then_some(reply)
            });
            assert_unavailable(&reply.await);

            fixture.database_proxy().restore();
            let statuses: Vec<_> = every_operation(api)
                .await
                .iter()
                .map(|it| it.status)
                .collect();
            assert_eq!(statuses, [201, 201, 200, 404, 404, 404, 404, 404]);
            let _ = api.get("/readyz").await.expect(200);
        }
    });
}

/// As when the server is restarted between two requests.
#[test]
fn reads_and_creates_do_not_notice_that_connections_have_ended() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let api = &consumer.api;
        let id = id_of(&consumer.create(&request()).await);
        let download = format!("{}/download", path(&id));
        for _ in 0..3 {
            let warm = join_all((0..16).map(|_| api.get("/v1/exports"))).await;
            assert!(warm.iter().all(|reply| reply.status == 200));
            fixture.database_proxy().cut();
            let paths = ["/v1/exports", &path(&id), &download, "/readyz"];
            let replies = paths.iter().cycle().take(16).map(|path| api.get(path));
            let body = request();
            let created = api.post("/v1/exports", &body);
            let (replies, created) = tokio::join!(join_all(replies), created);
            for (reply, expected) in replies.iter().zip([200, 200, 400, 200].iter().cycle()) {
                assert_eq!(reply.status, *expected);
            }
            let _ = created.expect(201);
        }
    });
}

/// After a failover, until the address leads to the new primary.
#[test]
fn while_the_address_leads_to_a_standby_everything_is_503_and_soon_afterwards_all_is_well() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let Some(standby) = private_standby().await else {
            return;
        };
        let consumer = Consumer::owner_of(&fixture);
        let api = &consumer.api;
        let proxy = fixture.database_proxy();
        let warm = join_all((0..16).map(|_| api.get("/v1/exports"))).await;
        assert!(warm.iter().all(|reply| reply.status == 200));

        proxy.redirect_to(&standby.url_for(fixture.database().name()));
        proxy.cut();
        let unready = eventually("it is not ready", TIMEOUT, async || {
            let reply = api.get("/readyz").await;
            (reply.status != 200).then_some(reply)
        });
        let unready = unready.await;
        assert_unavailable(&unready);
        assert!(unready.error_message().contains("read-only"));
        for reply in every_operation(api).await {
            assert_unavailable(&reply);
        }
        let _ = api.without_key().get("/healthz").await.expect(200);

        // Connections to the standby stay open, and nothing reports the change.
        proxy.redirect_to(fixture.database().url());
        let limit = Duration::from_secs(10);
        eventually("exports are created", limit, async || {
            let reply = api.post("/v1/exports", &request()).await;
            (reply.status == 201).then_some(())
        })
        .await;
        let _ = api.get("/readyz").await.expect(200);
    });
}

/// A firewall drops packets without a reset.
#[test]
fn one_request_is_slow_when_every_connection_to_the_database_has_died_silently() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let api = &consumer.api;
        for _ in 0..3 {
            let warm = join_all((0..16).map(|_| api.get("/v1/exports"))).await;
            assert!(warm.iter().all(|reply| reply.status == 200));
        }
        fixture.database_proxy().blackhole();
        let begun = std::time::Instant::now();
        for request_number in 0..10 {
            let _ = api.get("/v1/exports").await.expect(200);
            let _ = api.post("/v1/exports", &request()).await.expect(201);
            let limit = Duration::from_secs(8);
            assert!(begun.elapsed() < limit, "after request {request_number}");
        }
    });
}

#[test]
fn a_bad_key_is_not_taken_for_a_good_one_while_the_database_is_away() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        fixture.database_proxy().make_unavailable();
        // Without a key it takes no database to say so.
        let reply = consumer.api.without_key().get("/v1/exports").await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[]);
        let unknown = format!("Bearer exk_{}", "0a".repeat(32));
        let dress = |request: reqwest::RequestBuilder| request.header("Authorization", unknown);
        let api = consumer.api.without_key();
        assert_unavailable(&api.send(Method::GET, "/v1/exports", dress).await);
    });
}

#[test]
fn a_database_that_does_not_answer_is_noticed_by_readyz_within_seconds() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let api = Consumer::owner_of(&fixture).api.without_key();
        let _ = api.get("/readyz").await.expect(200);
        fixture.database_proxy().hold();
        let begun = std::time::Instant::now();
        assert_unavailable(&api.get("/readyz").await);
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        let _ = api.get("/healthz").await.expect(200);
        fixture.database_proxy().restore();
        let _ = api.get("/readyz").await.expect(200);
    });
}

#[test]
fn a_delete_while_the_store_is_down_is_503_and_the_file_goes_when_it_is_back() {
    story(async |_| {
        for &store in StoreKind::buckets() {
            let fixture = Fixture::builder().store(store).start().await;
            let consumer = Consumer::owner_of(&fixture);
            let id = id_of(&consumer.completed().await);
            let key = fixture.object_key(&id).await;
            let away = fixture.s3().inject(|_| true, Fault::Answer(503));
            assert_unavailable(&consumer.api.delete(&path(&id)).await);
            assert!(away.hits() > 0);
            // It was deleted all the same, before its file was to go.
            for path in [path(&id), format!("{}/download", path(&id))] {
                let reply = consumer.api.get(&path).await;
                assert_refused(&reply, 404, "NOT_FOUND", &["Export not found"]);
            }
            let again = consumer.api.delete(&path(&id)).await;
            assert_refused(&again, 404, "NOT_FOUND", &[]);
            assert_eq!(fixture.store_listing(), [key], "the file is still there");

            drop(away);
            // The janitor would come for it half a minute after the delete.
            fixture
                .database()
                .execute(
                    "UPDATE export_objects SET sweep_at = clock_timestamp() WHERE state = 'doomed'",
                )
                .await;
            fixture.wait_for_store(&[]).await;
        }
    });
}

#[test]
fn a_store_that_is_down_does_not_keep_anybody_from_the_api() {
    story(async |_| {
        let fixture = Fixture::builder()
            .store(StoreKind::S3)
            .workers(0)
            .start()
            .await;
        let consumer = Consumer::owner_of(&fixture);
        let _away = fixture.s3().inject(|_| true, Fault::Answer(503));
        let id = consumer.put(consumer.row(ExportStatus::Completed)).await;
        let before = [Kind::Get, Kind::Head, Kind::List].map(|kind| fixture.s3().count(kind));
        let _ = consumer.api.get("/readyz").await.expect(200);
        consumer.create(&request()).await;
        let _ = consumer.link(&id).await;
        let after = [Kind::Get, Kind::Head, Kind::List].map(|kind| fixture.s3().count(kind));
        assert_eq!(before, after, "a link is computed, not asked for");
    });
}
