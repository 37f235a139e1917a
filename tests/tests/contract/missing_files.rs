//! Files that have disappeared from the store: a download is a 410, and the export is expired from then on.

use std::time::Instant;

use exports_domain::ExportStatus;
use exports_tests::s3::{Fault, Kind, Seen};
use exports_tests::{Fixture, Reply, Scrape, StoreKind, TIMEOUT, eventually};
use reqwest::{Method, RequestBuilder};
use url::Url;

use crate::api::assert_refused;
use crate::shared::{Consumer, id_of, path, story};

async fn download(consumer: &Consumer<'_>, id: &str, agent: &str) -> Reply {
    let download = format!("{}/download", path(id));
    let send = |request: RequestBuilder| request.header("User-Agent", agent);
    consumer.api.send(Method::GET, &download, send).await
}

async fn remove_file(consumer: &Consumer<'_>, id: &str) {
    let key = consumer.fixture.object_key(id).await;
    let store = consumer.fixture.open_store();
    store.delete(&key).await.expect("the store deletes");
}

/// Every read says `expired`, and nothing has a link any more.
async fn assert_expired(consumer: &Consumer<'_>, id: &str, etag_before: &str) {
    let reply = consumer.api.get(&path(id)).await.expect(200);
    assert_ne!(reply.header("etag"), Some(etag_before));
    let export = reply.data();
    assert_eq!(export["status"], "expired");
    let times = ["created_at", "started_at", "completed_at", "expires_at"];
    let times = times.map(|name| export[name].as_str().expect("a time").to_owned());
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(
        export["file_size_bytes"].as_u64().map(|size| size > 0),
        Some(true)
    );
    let listed = consumer.api.get("/v1/exports").await.expect(200).data();
    let listed = listed.as_array().expect("an array");
    assert!(listed.contains(&export), "{listed:?}");
    for (status, expected) in [("expired", true), ("completed", false)] {
        let list = format!("/v1/exports?status={status}");
        let listed = consumer.api.get(&list).await.expect(200).data();
        let found = listed.as_array().expect("an array").contains(&export);
        assert_eq!(found, expected, "{status}: {listed}");
    }
    let again = download(consumer, id, "curl/8").await;
    assert_refused(&again, 410, "EXPORT_EXPIRED", &["expired"]);
}

async fn etag(consumer: &Consumer<'_>, id: &str) -> String {
    let reply = consumer.api.get(&path(id)).await.expect(200);
    reply.header("etag").expect("an ETag").to_owned()
}

#[test]
fn a_download_of_a_missing_file_is_410_and_expires_the_export() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            for agent in ["curl/8", "Wget/1.21"] {
                let id = id_of(&consumer.completed().await);
                let other = id_of(&consumer.completed().await);
                let before = etag(&consumer, &id).await;
                remove_file(&consumer, &id).await;
                let reply = download(&consumer, &id, agent).await;
                assert_refused(&reply, 410, "EXPORT_EXPIRED", &["expired"]);
                assert_expired(&consumer, &id, &before).await;
                assert_eq!(consumer.get(&other).await["status"], "completed");
                assert_eq!(download(&consumer, &other, agent).await.status, 302);
            }
        }
    });
}

/// The file disappears after its link was issued: links of the file store and relayed downloads, with and without content.
#[test]
fn a_link_of_the_api_to_a_missing_file_is_410_and_expires_the_export() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            for (method, range) in [
                (Method::GET, None),
                (Method::GET, Some("bytes=1-2")),
                (Method::HEAD, None),
            ] {
                let id = id_of(&consumer.completed().await);
                let before = etag(&consumer, &id).await;
                let reply = download(&consumer, &id, "Wget/1.21").await.expect(302);
                let link: Url = reply
                    .header("location")
                    .expect("a link")
                    .parse()
                    .expect("a URL");
                remove_file(&consumer, &id).await;
                let send = |request: RequestBuilder| match range {
                    Some(range) => request.header("Range", range),
                    None => request,
                };
                let reply = consumer
                    .api
                    .without_key()
                    .send(method.clone(), link.as_str(), send)
                    .await;
                assert_eq!(reply.status, 410, "{store:?} {method}");
                if method == Method::GET {
                    assert_refused(&reply, 410, "EXPORT_EXPIRED", &["expired"]);
                }
                assert_expired(&consumer, &id, &before).await;
            }
        }
    });
}

/// Only a definite answer counts. The link then leads to the store.
#[test]
fn a_store_that_cannot_say_whether_a_file_exists_does_not_expire_the_export() {
    story(async |_| {
        let fixture = Fixture::builder().store(StoreKind::S3).start().await;
        let consumer = Consumer::owner_of(&fixture);
        let id = id_of(&consumer.completed().await);
        let head = |seen: &Seen| seen.kind == Kind::Head;
        let list = |seen: &Seen| seen.kind == Kind::List;
        for fault in [Fault::Answer(403), Fault::Answer(500), Fault::Hold] {
            let injected = fixture.s3().inject(head, fault);
            let begun = Instant::now();
            assert_eq!(download(&consumer, &id, "curl/8").await.status, 302);
            assert!(injected.hits() > 0, "{fault:?}");
            assert!(
                begun.elapsed().as_secs() < 4,
                "{fault:?}: {:?}",
                begun.elapsed()
            );
        }
        // As without the bucket, or without the permission to list.
        remove_file(&consumer, &id).await;
        for fault in [Fault::Answer(404), Fault::Answer(403)] {
            let _listing = fixture.s3().inject(list, fault);
            assert_eq!(download(&consumer, &id, "curl/8").await.status, 302);
        }
        assert_eq!(consumer.get(&id).await["status"], "completed");
        // As on Amazon S3, where HEAD of a missing object is a 403 if the permission to list depends on the prefix.
        let _refused = fixture.s3().inject(head, Fault::Answer(403));
        let reply = download(&consumer, &id, "curl/8").await;
        assert_refused(&reply, 410, "EXPORT_EXPIRED", &[]);
    });
}

#[test]
fn a_missing_file_has_one_line_in_the_log_and_is_counted_once() {
    story(async |_| {
        let builder = Fixture::builder().workers(0).roles();
        let builder = builder.api_env("EXPORTS_METRICS_LISTEN", "127.0.0.1:0");
        let mut fixture = builder.start().await;
        let listening = fixture
            .api_process()
            .wait_for_event("metrics listening")
            .await;
        let metrics = listening["address"]
            .as_str()
            .expect("an address")
            .to_owned();
        let consumer = Consumer::owner_of(&fixture);
        let row = consumer.row(ExportStatus::Completed);
        let key = row.object_key();
        let id = consumer.put_without_file(row).await;
        let downloads = (0..8).map(|_| download(&consumer, &id, "curl/8"));
        for reply in futures_util::future::join_all(downloads).await {
            assert_refused(&reply, 410, "EXPORT_EXPIRED", &[]);
        }
        let counted = Scrape::of(&metrics)
            .await
            .value("exports_files_missing_total", &[]);
        assert!((counted - 1.0).abs() < 1e-9, "{counted}");
        let log = fixture.api_log();
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains("is missing from the store"))
            .collect();
        assert_eq!(lines.len(), 1, "{log}");
        for part in ["WARN", &*id, &*key] {
            assert!(lines[0].contains(part), "{part}: {}", lines[0]);
        }
        // A worker marks it like any expired export.
        fixture.add_worker(&[]);
        let status = async || {
            let sql = format!("SELECT status FROM exports WHERE id = '{id}'");
            (fixture.database().value(&sql).await == "expired").then_some(())
        };
        eventually("the sweep has marked it", TIMEOUT, status).await;
    });
}
