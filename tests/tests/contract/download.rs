//! `GET /v1/exports/{id}/download` on every store, from the key to the bytes.

use chrono::{DateTime, TimeDelta, Utc};
use exports_domain::{Clock, ExportStatus, SystemClock};
use exports_tests::{Client, Fixture, Reply, StoreKind, TIMEOUT, eventually};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use crate::api::assert_refused;
use crate::shared::{Consumer, fields, id_of, path, request, story};

/// GET by an HTTP client without an API key.
pub(crate) async fn fetch(link: &Url, headers: &[(&str, &str)]) -> Reply {
    let client = Client::new("");
    let get = client.request(Method::GET, link.as_str());
    let request = headers
        .iter()
        .fold(get, |request, (name, value)| request.header(*name, *value));
    client.send(request).await
}

pub(crate) fn assert_is_the_file_of(export: &Value, file: &Reply) {
    let id = id_of(export);
    assert_eq!(file.status, 200);
    assert_eq!(
        file.header("content-type"),
        Some("text/csv; charset=utf-8"),
        "on every store"
    );
    assert_eq!(
        file.header("content-disposition"),
        Some(&*format!("attachment; filename=\"export-{id}.csv\""))
    );
    assert_eq!(file.body.len() as u64, export["file_size_bytes"]);
    let digest = hex::encode(Sha256::digest(&file.body));
    assert_eq!(export["sha256"], digest);
    assert!(
        file.text().starts_with("message_id,endpoint_id,"),
        "{}",
        file.text()
    );
}

#[test]
fn the_redirect_target_returns_the_file_without_a_key() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let export = consumer.completed().await;
            let link = consumer.link(&id_of(&export)).await;
            assert_is_the_file_of(&export, &fetch(&link, &[]).await);
            // The file has only one format, so `Accept` is ignored.
            let file = fetch(&link, &[("Accept", "application/json;q=1, text/plain")]).await;
            assert_is_the_file_of(&export, &file);
        }
    });
}

#[test]
fn each_request_gets_a_newly_signed_link_and_no_link_is_stored() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let id = consumer.put(consumer.row(ExportStatus::Completed)).await;
            let link = consumer.link(&id).await;
            // Signatures have a resolution of one second.
            eventually("a later link is different", TIMEOUT, async || {
                (consumer.link(&id).await != link).then_some(())
            })
            .await;
            let row = consumer.fixture.database().export_row(id.parse().unwrap());
            let row = row.await.unwrap();
            assert!(!row.contains("ignature"), "no link is stored: {row}");
        }
    });
}

#[test]
fn every_store_serves_single_byte_ranges() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let export = consumer.completed().await;
            let link = consumer.link(&id_of(&export)).await;
            let whole = fetch(&link, &[]).await.body;
            let size = whole.len();
            for (range, first, end) in [
                ("bytes=0-9".to_owned(), 0, 10),
                ("bytes=10-19".to_owned(), 10, 20),
                (format!("bytes={}-", size - 5), size - 5, size),
                ("bytes=-7".to_owned(), size - 7, size),
            ] {
                let part = fetch(&link, &[("Range", &range)]).await.expect(206);
                assert_eq!(part.body, whole[first..end], "{store:?} {range}");
                assert_eq!(
                    part.header("content-range"),
                    Some(&*format!("bytes {first}-{}/{size}", end - 1))
                );
                assert_eq!(part.header("content-type"), Some("text/csv; charset=utf-8"));
            }
        }
    });
}

#[test]
fn redirect_false_returns_the_link_in_the_body() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let export = consumer.completed().await;
            let path = format!("{}/download?redirect=", path(&id_of(&export)));
            let reply = consumer.api.get(&format!("{path}false")).await.expect(200);
            assert_eq!(reply.header("location"), None);
            let data = reply.data();
            assert_eq!(fields(&data), ["expires_at", "url"]);
            let link: Url = data["url"].as_str().unwrap().parse().unwrap();
            assert_is_the_file_of(&export, &fetch(&link, &[]).await);
            let _ = consumer.api.get(&format!("{path}true")).await.expect(302);
        }
    });
}

/// The expiry of a link, as the API returns it and as it is signed in the link.
async fn ends_of_link(consumer: &Consumer<'_>, id: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    let path = format!("{}/download?redirect=false", path(id));
    let data = consumer.api.get(&path).await.expect(200).data();
    let said = data["expires_at"].as_str().unwrap().parse().unwrap();
    let link: Url = data["url"].as_str().unwrap().parse().unwrap();
    let parameter = |name: &str| {
        let mut pairs = link.query_pairs();
        pairs.find(|(known, _)| known == name).map(|(_, it)| it)
    };
    let seconds = |name| parameter(name)?.parse::<i64>().ok();
    let signed = match parameter("X-Amz-Date") {
        Some(from) => {
            let from = chrono::NaiveDateTime::parse_from_str(&from, "%Y%m%dT%H%M%SZ").unwrap();
            from.and_utc() + TimeDelta::seconds(seconds("X-Amz-Expires").unwrap())
        }
        None => DateTime::from_timestamp(seconds("expires").unwrap(), 0).unwrap(),
    };
    (said, signed)
}

#[test]
fn a_link_expires_after_15_minutes_or_with_its_export() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let row = |left: TimeDelta| {
                let row = consumer.row(ExportStatus::Completed);
                row.with_ago("expires_at", -left)
            };
            for (left, most) in [
                (TimeDelta::days(7), TimeDelta::minutes(15)),
                (TimeDelta::minutes(16), TimeDelta::minutes(15)),
                (TimeDelta::minutes(5), TimeDelta::minutes(5)),
            ] {
                let id = consumer.put(row(left)).await;
                let until = consumer.get(&id).await["expires_at"].clone();
                let until: DateTime<Utc> = until.as_str().unwrap().parse().unwrap();
                for end in <[_; 2]>::from(ends_of_link(&consumer, &id).await) {
                    let life = end - SystemClock.now();
                    assert!(
                        life <= most && end <= until,
                        "{store:?}: {life} of {most}, {end} of {until}"
                    );
                    assert!(life > most - TimeDelta::seconds(20), "{store:?}: {life}");
                }
            }
        }
    });
}

#[test]
fn only_a_completed_export_has_a_download() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for status in [
            ExportStatus::Pending,
            ExportStatus::Processing,
            ExportStatus::Failed,
        ] {
            let id = consumer.put(consumer.row(status)).await;
            let reply = consumer.api.get(&format!("{}/download", path(&id))).await;
            assert_refused(&reply, 400, "EXPORT_NOT_READY", &[status.as_str()]);
        }
        let id = consumer.put(consumer.row(ExportStatus::Expired)).await;
        let reply = consumer.api.get(&format!("{}/download", path(&id))).await;
        assert_refused(&reply, 410, "EXPORT_EXPIRED", &["expired"]);
    });
}

#[test]
fn a_download_request_during_completion_is_not_ready_or_redirected() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let watch = async || {
            let id = id_of(&consumer.create(&request()).await);
            let download = format!("{}/download", path(&id));
            loop {
                let reply = consumer.api.get(&download).await;
                if reply.status == 302 {
                    return;
                }
                assert_refused(&reply, 400, "EXPORT_NOT_READY", &[]);
            }
        };
        for _ in 0..4 {
            futures_util::future::join_all((0..4).map(|_| watch())).await;
        }
    });
}

#[test]
fn expiry_deletes_the_file_and_invalidates_its_links() {
    story(async |_| {
        let told = StoreKind::all().iter().copied().map(expiry);
        futures_util::future::join_all(told).await;
    });
}

async fn expiry(store: StoreKind) {
    let builder = Fixture::builder().store(store);
    let fixture = builder.env("EXPORTS_FILE_TTL", "4s").start().await;
    let consumer = Consumer::owner_of(&fixture);
    let id = id_of(&consumer.create(&request()).await);
    let download = format!("{}/download", path(&id));
    let link: Url = eventually("the export has a link", TIMEOUT, async || {
        let reply = consumer.api.get(&download).await;
        assert_ne!(
            reply.status, 410,
            "the export expired before the first request"
        );
        (reply.status == 302).then(|| reply.header("location").unwrap().parse().unwrap())
    })
    .await;
    let file = fetch(&link, &[]).await.expect(200);
    let done = consumer.until(&id, "expired").await;
    assert_eq!(done["file_size_bytes"], file.body.len());
    assert_eq!(done["sha256"], hex::encode(Sha256::digest(&file.body)));

    let reply = consumer.api.get(&download).await;
    assert_refused(&reply, 410, "EXPORT_EXPIRED", &["expired"]);
    fixture.wait_for_store(&[]).await;
    let after = fetch(&link, &[]).await;
    match store {
        StoreKind::File => assert_refused(&after, 410, "EXPORT_EXPIRED", &["expired"]),
        StoreKind::S3 | StoreKind::Garage => {
            assert!(matches!(after.status, 400 | 403 | 404), "{}", after.status);
        }
    }
    assert_eq!(consumer.get(&id).await["status"], "expired");
}
