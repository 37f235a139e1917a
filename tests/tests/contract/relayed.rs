//! Clients that keep `Authorization` on redirects, which a store rejects. The API redirects them to its own file route, which relays
//! the object.

use exports_domain::ExportStatus;
use exports_tests::s3::{Fault, Kind};
use exports_tests::{Fixture, Message, StoreKind, TIMEOUT, eventually};
use reqwest::{Method, RequestBuilder};
use sha2::{Digest, Sha256};
use url::Url;

use crate::api::{Api, assert_refused};
use crate::download::{assert_is_the_file_of, fetch};
use crate::shared::{Consumer, fields, id_of, path, request, story};
use crate::wire::Wire;

const WGET: &str = "Wget/1.21.3";

/// The redirect target of a download with this `User-Agent`.
async fn link_for(consumer: &Consumer<'_>, agent: &str, id: &str) -> Url {
    let send = |request: RequestBuilder| request.header("User-Agent", agent);
    let path = format!("{}/download", path(id));
    let reply = consumer
        .api
        .send(Method::GET, &path, send)
        .await
        .expect(302);
    let link = reply
        .header("location")
        .expect("a redirect has a `Location`");
    let data = reply.data();
    assert_eq!(data["url"], link, "the body has the same link");
    link.parse().expect("an absolute URL")
}

fn leads_to(link: &Url, api: &Api) -> bool {
    link.as_str().starts_with(&format!("{}/files/", api.base()))
}

/// Creates and completes an export of this size, and returns its id.
async fn large(consumer: &Consumer<'_>, megabytes: u32) -> String {
    let database = consumer.fixture.database();
    let start = "2025-12-02T00:00:00Z";
    Message::insert_many(database.pool(), &consumer.project, start, megabytes).await;
    let sql = "UPDATE messages SET last_error = repeat(md5(id::text), 32768)";
    database.execute(sql).await;
    let id = id_of(&consumer.create(&request()).await);
    consumer.until(&id, "completed").await;
    id
}

#[test]
fn clients_that_forward_authorization_download_through_the_api() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let export = consumer.completed().await;
            for agent in [
                WGET,
                "aria2/1.36.0",
                "Python-urllib/3.11",
                "Java-http-client/17.0.15",
            ] {
                let link = link_for(&consumer, agent, &id_of(&export)).await;
                assert!(leads_to(&link, &consumer.api), "{store:?} {agent}: {link}");
                // Sends the key, as these clients do.
                let file = consumer.api.get(link.as_str()).await;
                assert_is_the_file_of(&export, &file);
                let tag = format!("\"{}\"", export["sha256"].as_str().unwrap());
                assert_eq!(file.header("etag"), Some(&*tag), "{store:?}");
                assert_eq!(file.header("accept-ranges"), Some("bytes"));
            }
        }
    });
}

#[test]
fn other_clients_get_a_presigned_url_and_a_note() {
    story(async |fixtures| {
        for &store in StoreKind::buckets() {
            let consumer = fixtures.consumer_on(store).await;
            let export = consumer.completed().await;
            let id = id_of(&export);
            for agent in ["curl/8.5.0", "python-requests/2.32.3", "Java/17.0.15"] {
                let link = link_for(&consumer, agent, &id).await;
                assert!(!leads_to(&link, &consumer.api), "{agent}: {link}");
                assert_is_the_file_of(&export, &fetch(&link, &[]).await);
                let refused = fetch(&link, &[("Authorization", "Bearer x")]).await;
                assert_eq!(
                    refused.status, 400,
                    "the store rejects two authentication methods"
                );
            }
            let reply = consumer.api.get(&format!("{}/download", path(&id))).await;
            let data = reply.expect(302).data();
            assert_eq!(fields(&data), ["expires_at", "note", "url"]);
            let note = data["note"].as_str().unwrap();
            assert!(note.contains("?redirect=false"), "{note}");

            // A client that requests the link itself always gets the link of the store.
            let send = |request: RequestBuilder| request.header("User-Agent", WGET);
            let path = format!("{}/download?redirect=false", path(&id));
            let reply = consumer
                .api
                .send(Method::GET, &path, send)
                .await
                .expect(200);
            let data = reply.data();
            assert_eq!(fields(&data), ["expires_at", "url"]);
            let link: Url = data["url"].as_str().unwrap().parse().unwrap();
            assert!(!leads_to(&link, &consumer.api), "{link}");
        }
    });
}

#[test]
fn without_a_signing_key_every_client_gets_a_presigned_url() {
    story(async |_| {
        let builder = Fixture::builder().store(StoreKind::S3);
        let fixture = builder.without_signing_key().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let export = consumer.completed().await;
        let link = link_for(&consumer, WGET, &id_of(&export)).await;
        assert!(!leads_to(&link, &consumer.api), "{link}");
        assert_is_the_file_of(&export, &fetch(&link, &[]).await);
    });
}

#[test]
fn relayed_files_behave_like_files_of_the_file_store() {
    story(async |fixtures| {
        for &store in StoreKind::buckets() {
            let consumer = fixtures.consumer_on(store).await;
            let export = consumer.completed().await;
            let id = id_of(&export);
            let link = link_for(&consumer, WGET, &id).await;
            let api = consumer.api.without_key();
            let ask = async |method: Method, headers: &[(&str, &str)]| {
                let prepare = |request: RequestBuilder| {
                    let add = |request: RequestBuilder, (name, value): &(&str, &str)| {
                        request.header(*name, *value)
                    };
                    headers.iter().fold(request, add)
                };
                api.send(method, link.as_str(), prepare).await
            };
            let whole = ask(Method::GET, &[]).await.expect(200);
            let head = ask(Method::HEAD, &[]).await.expect(200);
            for name in ["content-length", "content-type", "etag", "last-modified"] {
                assert_eq!(head.header(name), whole.header(name), "{name}");
            }
            let size = whole.body.len();
            for (range, first, end) in [
                ("bytes=0-9".to_owned(), 0, 10),
                (format!("bytes={}-", size - 5), size - 5, size),
                ("bytes=-7".to_owned(), size - 7, size),
            ] {
                let part = ask(Method::GET, &[("Range", &range)]).await.expect(206);
                assert_eq!(part.body, whole.body[first..end], "{range}");
            }
            let tag = whole.header("etag").unwrap();
            for (condition, status) in [(tag, 206), ("\"another\"", 200)] {
                let headers = [("Range", "bytes=1-2"), ("If-Range", condition)];
                assert_eq!(ask(Method::GET, &headers).await.status, status);
            }
            let behind = format!("bytes={size}-");
            let reply = ask(Method::GET, &[("Range", &behind)]).await;
            assert_refused(&reply, 416, "RANGE_NOT_SATISFIABLE", &[]);

            let other = consumer.completed().await;
            let query = link.query().unwrap();
            let forged = format!("/files/{}?{query}", id_of(&other));
            assert_refused(&api.get(&forged).await, 403, "INVALID_SIGNATURE", &["link"]);

            let deleted = consumer.api.delete(&path(&id)).await;
            assert_eq!(deleted.status, 204);
            let gone = ask(Method::GET, &[]).await;
            assert_refused(&gone, 404, "NOT_FOUND", &[]);

            // The object has another size than the record.
            let row = consumer.row(ExportStatus::Completed);
            let key = row.object_key();
            let id = consumer.put(row).await;
            let link = link_for(&consumer, WGET, &id).await;
            let headers =
                exports_objects::FileHeaders::attachment("export.csv", "text/csv; charset=utf-8");
            let store = consumer.fixture.open_store();
            store.put(&key, "short".into(), &headers).await.unwrap();
            let reply = api.get(link.as_str()).await;
            assert_refused(&reply, 500, "INTERNAL_ERROR", &[]);
        }
    });
}

#[test]
fn an_interrupted_store_read_is_resumed_or_aborts_the_download() {
    story(async |_| {
        let fixture = Fixture::builder().store(StoreKind::S3).start().await;
        let consumer = Consumer::owner_of(&fixture);
        let id = large(&consumer, 3).await;
        let export = consumer.get(&id).await;
        let link = link_for(&consumer, WGET, &id).await;
        let reads = |fixture: &Fixture| fixture.s3().count(Kind::Get);
        let is_read = |seen: &exports_tests::s3::Seen| seen.kind == Kind::Get;

        // Every response of the store is cut after 1 MiB. The API resumes the read with the next request.
        let before = reads(&fixture);
        let cut = fixture.s3().inject(is_read, Fault::Cut(1 << 20));
        let file = consumer.follow(&link).await;
        assert_eq!(export["sha256"], hex::encode(Sha256::digest(&file.body)));
        assert!(reads(&fixture) - before >= 3);
        drop(cut);

        // The store rejects every read after the first one.
        let cut = fixture.s3().inject(is_read, Fault::Cut(1 << 20));
        let request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(link.clone());
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        cut.reached(1).await;
        let refused = fixture.s3().inject(is_read, Fault::Answer(403));
        drop(cut);
        let mut received = 0;
        let ended = loop {
            match answer.chunk().await {
                Ok(Some(bytes)) => received += bytes.len() as u64,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        assert!(
            ended.is_err(),
            "{received} bytes are accepted as the whole file"
        );
        assert!(export["file_size_bytes"].as_u64().unwrap() > received);
        eventually("the API logs the failure", TIMEOUT, async || {
            let log = fixture.api_log();
            log.contains("reading the file failed during a download")
                .then_some(())
        })
        .await;
        drop(refused);
    });
}

#[test]
fn a_slow_client_uses_little_memory_and_a_disconnect_ends_the_store_read() {
    story(async |_| {
        const MEGABYTES: u32 = 48;
        let mut fixture = Fixture::builder().store(StoreKind::S3).start().await;
        let consumer = Consumer::owner_of(&fixture);
        let id = large(&consumer, MEGABYTES).await;
        let link = link_for(&consumer, WGET, &id).await;
        let message = format!(
            "GET {}?{} HTTP/1.1\r\nHost: x\r\n\r\n",
            link.path(),
            link.query().unwrap()
        );
        let mut wire = Wire::to(&consumer.api).await;
        drop(consumer);
        let before = fixture.api_process().memory().1;
        wire.send(&message).await;
        eventually("the object is being read", TIMEOUT, async || {
            (fixture.s3().under_way() == 1).then_some(())
        })
        .await;
        // Waits until all buffers between the store and the client are full.
        let mut last = 0;
        eventually("the API stops reading", TIMEOUT, async || {
            let now = fixture.s3().bytes_sent();
            let stands = now > 0 && now == last;
            last = now;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            stands.then_some(())
        })
        .await;
        assert_eq!(fixture.s3().under_way(), 1);
        let grown = fixture.api_process().memory().1.saturating_sub(before);
        assert!(grown < 16 << 20, "the API grew by {grown} bytes");
        drop(wire);
        eventually("the store read ends", TIMEOUT, async || {
            (fixture.s3().under_way() == 0).then_some(())
        })
        .await;
    });
}
