//! The database or the store is unavailable, or loses a response: what a consumer sees.

use std::time::Duration;

use exports_domain::ExportStatus;
use exports_objects::LinkSigner;
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
    let seconds = reply
        .header("retry-after")
        .expect("a 503 has `Retry-After`");
    assert!(seconds.parse::<u64>().is_ok(), "whole seconds: {seconds}");
    let message = reply.error_message();
    for internal in ["postgres", "sql", "127.0.0.1", "connection", "exports_"] {
        assert!(!message.contains(internal), "{message}");
    }
}

/// The answer of `/readyz` is at most a second old.
async fn eventually_ready(api: &Api) {
    eventually("the API is ready", TIMEOUT, async || {
        let reply = api.get("/readyz").await;
        (reply.status == 200).then_some(())
    })
    .await;
}

/// A link with a valid signature.
fn file_link(id: &str) -> String {
    let signer = LinkSigner::new(exports_tests::SIGNING_KEY.as_bytes());
    let signature = signer.sign(id, "proj_a/b/c.csv", 4_102_444_800);
    format!("/files/{id}?expires=4102444800&signature={signature}")
}

/// Sends one request for every operation that uses the database, for an unknown export.
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
        api.without_key().get(&file_link(&nothing[12..])).await,
    ]
}

#[test]
fn a_create_inserts_once_when_its_database_request_or_reply_is_lost() {
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
            // Only the insert has the project as a parameter.
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

/// The INSERT is committed, and so is its repetition over another connection. No reply comes, and no connection is closed.
#[test]
fn a_committed_create_without_a_database_response_is_201() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let api = &consumer.api;
        let _ = api.get("/v1/exports").await.expect(200);
        for _ in 0..2 {
            // Only the insert has the project as a parameter.
            fixture
                .database_proxy()
                .lose_at(Loss::Silence, consumer.project.as_str());
        }
        let begun = std::time::Instant::now();
        let created = api.post("/v1/exports", &request()).await.expect(201).data();
        // The first try takes 5 s. The timeout of a request is 30 s.
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(fixture.database_proxy().lost(), 2);
        let list = api.get("/v1/exports").await.expect(200).data();
        let listed: Vec<_> = list.as_array().unwrap().iter().map(id_of).collect();
        assert_eq!(listed, [id_of(&created)]);
    });
}

#[test]
fn requests_are_503_while_the_database_is_unavailable_and_succeed_afterwards() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let api = &consumer.api;
        // Opens every connection of the pool, so that all of them break.
        let warm = join_all((0..16).map(|_| api.get("/v1/exports"))).await;
        assert!(warm.iter().all(|reply| reply.status == 200));

        for _ in 0..2 {
            fixture.database_proxy().make_unavailable();
            for reply in every_operation(api).await {
                assert_unavailable(&reply);
            }
            let unready = eventually("the API is not ready", TIMEOUT, async || {
                let reply = api.get("/readyz").await;
                (reply.status != 200).then_some(reply)
            });
            assert_unavailable(&unready.await);
            let _ = api.without_key().get("/healthz").await.expect(200);
            let _ = api.get("/openapi.json").await.expect(200);
            // Longer than a connection may be idle before it is tested on its next use.
            holds_within(
                "the database stays unavailable",
                Duration::from_millis(1200),
                async || api.get("/readyz").await.status == 503,
            )
            .await;
            // This request uses the database only to check the key, and the result may be cached for a while.
            let limit = Duration::from_secs(5);
            let reply = eventually("the key is looked up again", limit, async || {
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
            eventually_ready(api).await;
        }
    });
}

/// Simulates a restart of the database between two requests.
#[test]
fn reads_and_creates_succeed_after_database_connections_are_cut() {
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

/// Simulates a failover: for a while the address leads to a read-only standby.
#[test]
fn requests_are_503_while_the_database_is_a_standby_and_succeed_soon_afterwards() {
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
        let unready = eventually("the API is not ready", TIMEOUT, async || {
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

        // Connections to the standby stay open, so the API gets no signal of the change.
        proxy.redirect_to(fixture.database().url());
        let limit = Duration::from_secs(10);
        eventually("exports are created", limit, async || {
            let reply = api.post("/v1/exports", &request()).await;
            (reply.status == 201).then_some(())
        })
        .await;
        eventually_ready(api).await;
    });
}

/// Simulates a firewall that drops packets without a reset.
#[test]
fn silently_dead_database_connections_are_replaced_within_eight_seconds() {
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
fn an_unknown_key_is_503_while_the_database_is_unavailable() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        fixture.database_proxy().make_unavailable();
        // A missing key is rejected without the database.
        let reply = consumer.api.without_key().get("/v1/exports").await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[]);
        let unknown = format!("Bearer exk_{}", "0a".repeat(32));
        let prepare = |request: reqwest::RequestBuilder| request.header("Authorization", unknown);
        let api = consumer.api.without_key();
        assert_unavailable(&api.send(Method::GET, "/v1/exports", prepare).await);
    });
}

#[test]
fn readyz_is_503_within_five_seconds_when_the_database_does_not_respond() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let api = Consumer::owner_of(&fixture).api.without_key();
        let _ = api.get("/readyz").await.expect(200);
        fixture.database_proxy().hold();
        let begun = std::time::Instant::now();
        let unready = eventually("the API is not ready", TIMEOUT, async || {
            let reply = api.get("/readyz").await;
            (reply.status != 200).then_some(reply)
        });
        assert_unavailable(&unready.await);
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        let _ = api.get("/healthz").await.expect(200);
        fixture.database_proxy().restore();
        eventually_ready(&api).await;
    });
}

#[test]
fn a_delete_during_a_store_outage_is_503_and_the_file_is_deleted_afterwards() {
    story(async |_| {
        for &store in StoreKind::buckets() {
            let fixture = Fixture::builder().store(store).start().await;
            let consumer = Consumer::owner_of(&fixture);
            let id = id_of(&consumer.completed().await);
            let key = fixture.object_key(&id).await;
            let away = fixture.s3().inject(|_| true, Fault::Answer(503));
            assert_unavailable(&consumer.api.delete(&path(&id)).await);
            assert!(away.hits() > 0);
            // The export is deleted nevertheless, because that happens before the deletion of its file.
            for path in [path(&id), format!("{}/download", path(&id))] {
                let reply = consumer.api.get(&path).await;
                assert_refused(&reply, 404, "NOT_FOUND", &["Export not found"]);
            }
            let again = consumer.api.delete(&path(&id)).await;
            assert_refused(&again, 404, "NOT_FOUND", &[]);
            assert_eq!(fixture.store_listing(), [key], "the file is still there");

            drop(away);
            // Makes the sweep due now. Normally the janitor deletes the file half a minute after the request.
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
fn readiness_and_creates_make_no_store_calls_and_links_survive_an_outage() {
    story(async |_| {
        let fixture = Fixture::builder()
            .store(StoreKind::S3)
            .workers(0)
            .start()
            .await;
        let consumer = Consumer::owner_of(&fixture);
        let id = consumer.put(consumer.row(ExportStatus::Completed)).await;
        let _away = fixture.s3().inject(|_| true, Fault::Answer(503));
        let before = [Kind::Get, Kind::Head, Kind::List].map(|kind| fixture.s3().count(kind));
        let _ = consumer.api.get("/readyz").await.expect(200);
        consumer.create(&request()).await;
        let after = [Kind::Get, Kind::Head, Kind::List].map(|kind| fixture.s3().count(kind));
        assert_eq!(before, after);
        // A store that does not say that the file is missing does not prevent the link.
        let _ = consumer.link(&id).await;
    });
}
