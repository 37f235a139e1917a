//! The headers of the web: links to the next page, digests, caching, and problem details.
//!
//! `response_rules` checks `X-Content-Type-Options` and `Cache-Control` of every response of these tests.

use std::collections::HashSet;

use exports_domain::ExportStatus;
use exports_tests::{Reply, StoreKind};
use reqwest::Method;
use serde_json::json;

use crate::api::{Api, assert_refused};
use crate::shared::{Consumer, fields, id_of, path, request, request_with, story};

const PROBLEM: &str = "application/problem+json";

/// The target of `Link` with the relation `next`.
fn next_of(reply: &Reply) -> Option<String> {
    let link = reply.header("link")?;
    let target = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"");
    Some(target.expect("one link").to_owned())
}

#[test]
fn a_client_can_follow_the_links_through_all_pages() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for _ in 0..5 {
            consumer.put(consumer.row(ExportStatus::Failed)).await;
            consumer.put(consumer.row(ExportStatus::Pending)).await;
        }
        for (query, lengths) in [
            ("?status=failed&limit=2", &[2, 2, 1][..]),
            ("?limit=4", &[4, 4, 2]),
            ("?status=failed", &[5]),
            ("", &[10]),
        ] {
            let mut url = format!("/v1/exports{query}");
            let (mut seen, mut found) = (HashSet::new(), Vec::new());
            loop {
                let reply = consumer.api.get(&url).await.expect(200);
                let page = reply.data();
                let page = page.as_array().unwrap();
                found.push(page.len());
                for export in page {
                    assert!(seen.insert(id_of(export)), "{query}: twice");
                    assert!(!query.contains("failed") || export["status"] == "failed");
                }
                let next = next_of(&reply);
                assert_eq!(next.is_some(), reply.meta()["has_more"] == true);
                let Some(next) = next else { break };
                assert!(next.starts_with(&format!("{}/v1/exports?", consumer.api.base())));
                let cursor = reply.meta()["next_cursor"].as_str().unwrap().to_owned();
                assert!(next.ends_with(&format!("cursor={cursor}")), "{next}");
                url = next;
            }
            assert_eq!(found, lengths, "{query}");
        }
    });
}

#[test]
fn a_file_has_the_digest_of_the_whole_file() {
    story(async |fixtures| {
        for store in [StoreKind::File, StoreKind::S3] {
            let consumer = fixtures.consumer_on(store).await;
            let export = consumer.completed().await;
            let download = format!("{}/download", path(&id_of(&export)));
            let as_wget = |it: reqwest::RequestBuilder| it.header("User-Agent", "Wget/1.21");
            let redirect = consumer.api.send(Method::GET, &download, as_wget).await;
            assert_eq!(redirect.header("repr-digest"), None, "of the redirect");
            let link = redirect.expect(302).header("location").unwrap().to_owned();
            let api = consumer.api.without_key();
            let ask = async |method: Method, range: &str| {
                let send = |it: reqwest::RequestBuilder| it.header("Range", range);
                api.send(method, &link, send).await
            };
            let hex = export["sha256"].as_str().unwrap();
            for (method, range, status) in [
                (Method::GET, "", 200),
                (Method::GET, "bytes=1-2", 206),
                (Method::HEAD, "", 200),
            ] {
                let reply = ask(method, range).await.expect(status);
                let digest = reply.header("repr-digest").expect("a digest");
                let encoded = digest.strip_prefix("sha-256=:").unwrap();
                let bytes = from_base64(encoded.strip_suffix(':').unwrap());
                assert_eq!(hex::encode(bytes), hex, "{status}");
            }
            for reply in [
                ask(Method::GET, "bytes=999999-").await.expect(416),
                api.get(&format!("{link}0")).await.expect(403),
            ] {
                assert_eq!(reply.header("repr-digest"), None);
            }
        }
    });
}

/// Decodes Base64 with padding, independently of the service's library.
fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(text.len() % 4, 0, "{text}");
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.trim_end_matches('=').chars() {
        let value = ALPHABET.find(digit).expect("a digit");
        bits = ((bits << 6) | u32::try_from(value).unwrap()) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

#[test]
fn each_response_says_who_may_keep_it() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer.completed().await;
        let (id, api) = (id_of(&export), &consumer.api);
        let export = path(&id);
        let tag = api.get(&export).await.header("etag").unwrap().to_owned();
        let known = |it: reqwest::RequestBuilder| it.header("If-None-Match", tag);
        let download = format!("{export}/download");
        let link = consumer.link(&id).await;
        for (reply, status, expected) in [
            (api.get(&export).await, 200, "private, no-cache"),
            (
                api.send(Method::GET, &export, known).await,
                304,
                "private, no-cache",
            ),
            (api.get("/v1/exports").await, 200, "private, no-cache"),
            (
                api.post("/v1/exports", &request()).await,
                201,
                "private, no-cache",
            ),
            (consumer.follow(&link).await, 200, "private, no-cache"),
            (api.get(&download).await, 302, "no-store"),
            (
                api.get(&format!("{download}?redirect=false")).await,
                200,
                "no-store",
            ),
            (api.get("/v1/exports?limit=0").await, 400, "no-store"),
            (api.without_key().get(&export).await, 401, "no-store"),
            (api.get("/nothing").await, 404, "no-store"),
            (api.get("/healthz").await, 200, "no-store"),
            (api.get("/readyz").await, 200, "no-store"),
            (api.get("/openapi.json").await, 200, "public, max-age=300"),
            (api.delete(&export).await, 204, "private, no-cache"),
        ] {
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("cache-control"), Some(expected), "{status}");
            let nosniff = reply.header("x-content-type-options");
            assert_eq!(nosniff, Some("nosniff"), "{status}");
        }
    });
}

/// GET with this `Accept`.
async fn accepting(api: &Api, accept: &str, path: &str) -> Reply {
    let send = |request: reqwest::RequestBuilder| request.header("Accept", accept);
    api.send(Method::GET, path, send).await
}

/// Every kind of error, over the same client.
async fn refused(consumer: &Consumer<'_>, accept: &str) -> Vec<(Reply, u16, &'static str)> {
    let (api, stranger) = (&consumer.api, consumer.api.without_key());
    let pending = path(&consumer.put(consumer.row(ExportStatus::Pending)).await);
    let send = async |api: &Api, method: Method, path: &str, body: &str| {
        let prepare =
            |it: reqwest::RequestBuilder| it.header("Accept", accept).body(body.to_owned());
        api.send(method, path, prepare).await
    };
    let large = " ".repeat(65_537);
    vec![
        (
            accepting(api, accept, "/v1/exports?limit=0").await,
            400,
            "INVALID_REQUEST",
        ),
        (
            accepting(api, accept, &format!("{pending}/download")).await,
            400,
            "EXPORT_NOT_READY",
        ),
        (
            accepting(&stranger, accept, "/v1/exports").await,
            401,
            "UNAUTHORIZED",
        ),
        (
            accepting(&stranger, accept, "/files/x?expires=1").await,
            404,
            "NOT_FOUND",
        ),
        (
            accepting(api, accept, "/v1/nothing").await,
            404,
            "NOT_FOUND",
        ),
        (accepting(api, accept, "/nothing").await, 404, "NOT_FOUND"),
        (
            send(api, Method::PUT, "/v1/exports", "").await,
            405,
            "METHOD_NOT_ALLOWED",
        ),
        (
            send(api, Method::DELETE, &pending, "").await,
            409,
            "EXPORT_ACTIVE",
        ),
        (
            send(api, Method::POST, "/v1/exports", &large).await,
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            send(api, Method::POST, "/v1/exports", "{").await,
            400,
            "INVALID_REQUEST",
        ),
    ]
}

#[test]
fn a_client_that_asks_for_problem_details_gets_them_for_every_error() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for (reply, status, code) in refused(&consumer, PROBLEM).await {
            assert_eq!(reply.status, status, "{code}");
            assert_eq!(reply.header("content-type"), Some(PROBLEM), "{code}");
            assert_eq!(reply.header("vary"), Some("accept"), "{code}");
            let problem = reply.json();
            let names = ["code", "detail", "request_id", "status", "title", "type"];
            assert_eq!(fields(&problem), names, "{code}");
            assert_eq!(problem["status"], status, "{code}");
            assert_eq!(problem["code"], code);
            let id = reply.header("x-request-id").unwrap();
            assert_eq!(problem["request_id"], id, "{code}");
            let kind = format!("{}/openapi.json#{code}", consumer.api.base());
            assert_eq!(problem["type"], kind);
        }
        let reply = accepting(&consumer.api, PROBLEM, "/v1/exports?limit=0").await;
        let problem = reply.json();
        assert_eq!(problem["title"], "Invalid request");
        assert_eq!(problem["detail"], "limit must be a number from 1 to 500");
        let head = |it: reqwest::RequestBuilder| it.header("Accept", PROBLEM);
        let head = consumer.api.send(Method::HEAD, "/nothing", head).await;
        assert_eq!(head.header("content-type"), Some(PROBLEM));
        // Successes are the same for every client.
        let reply = accepting(&consumer.api, PROBLEM, "/v1/exports").await;
        assert_eq!(reply.expect(200).header("vary"), None);
    });
}

#[test]
fn every_other_client_gets_the_envelope() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for accept in [
            "*/*",
            "application/json",
            "application/*, text/html",
            "application/problem+json;q=0",
            "application/problem+json;q=0.5, application/json",
            "application/problem+json;q=0.9, */*",
        ] {
            for (reply, status, code) in refused(&consumer, accept).await {
                assert_refused(&reply, status, code, &[]);
                assert_eq!(reply.header("content-type"), Some("application/json"));
                assert_eq!(reply.header("vary"), Some("accept"), "{code}");
            }
        }
        for accept in [
            "application/json;q=0.9, application/problem+json",
            "application/json, APPLICATION/PROBLEM+JSON",
        ] {
            let reply = accepting(&consumer.api, accept, "/nothing").await;
            assert_eq!(reply.header("content-type"), Some(PROBLEM), "{accept}");
        }
    });
}

#[test]
fn a_quoted_idempotency_key_is_the_same_as_the_bare_one() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let api = &consumer.api;
        for (bare, quoted) in [("a-key", r#""a-key""#), (r#"b"\"#, r#""b\"\\""#)] {
            let first = id_of(&api.post_keyed(bare, &request()).await.expect(201).data());
            let again = api.post_keyed(quoted, &request()).await.expect(201);
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            assert_eq!(id_of(&again.data()), first);
            let other = request_with(json!({"status": "queued"}));
            let reply = api.post_keyed(quoted, &other).await;
            assert_refused(&reply, 409, "IDEMPOTENCY_MISMATCH", &[]);
        }
        for malformed in [r#""a"#, r#""a"b"#, r#""a\b""#, r#""a";b"#] {
            let reply = api.post_keyed(malformed, &request()).await;
            let says = ["Idempotency-Key must be one string in double quotes"];
            assert_refused(&reply, 400, "INVALID_REQUEST", &says);
        }
        for invalid in [r#""""#, r#""a b""#] {
            let reply = api.post_keyed(invalid, &request()).await;
            let says = ["Idempotency-Key must be 1 to 255 visible ASCII characters"];
            assert_refused(&reply, 400, "INVALID_REQUEST", &says);
        }
    });
}
