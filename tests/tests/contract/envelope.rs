//! The envelope of every response, also of errors.
//!
//! `response_rules` checks each response (shape, request id in header and body, schema). The tests here cause all kinds of
//! responses.

use std::collections::HashSet;

use exports_domain::ExportStatus;
use exports_tests::{Fixture, TIMEOUT, eventually};
use reqwest::Method;

use crate::api::assert_refused;
use crate::shared::{Consumer, id_of, path, request, request_with, story};

#[test]
fn every_client_error_has_the_envelope() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let stranger = consumer.api.without_key();
        let put = async |status| path(&consumer.put(consumer.row(status)).await);
        let pending = put(ExportStatus::Pending).await;
        let expired = put(ExportStatus::Expired).await;
        let done = id_of(&consumer.completed().await);
        let nowhere = request_with(serde_json::json!({"endpoint_id": format!("ep_{:032x}", 1)}));
        let other = request_with(serde_json::json!({"status": "queued"}));
        let _ = consumer.api.post_keyed("k", &request()).await.expect(201);
        let link = consumer.link(&done).await;
        let behind = |request: reqwest::RequestBuilder| request.header("Range", "bytes=9999999-");
        let large = |request: reqwest::RequestBuilder| request.body(vec![b' '; 65_537]);

        let api = &consumer.api;
        for (reply, status, code) in [
            (api.get("/v1/exports?limit=0").await, 400, "INVALID_REQUEST"),
            (
                api.post("/v1/exports", &nowhere).await,
                400,
                "ENDPOINT_NOT_FOUND",
            ),
            (
                api.get(&format!("{pending}/download")).await,
                400,
                "EXPORT_NOT_READY",
            ),
            (stranger.get("/v1/exports").await, 401, "UNAUTHORIZED"),
            (
                stranger
                    .get(&format!("/files/{done}?expires=1&signature=a"))
                    .await,
                403,
                "INVALID_SIGNATURE",
            ),
            (
                api.get(&path("01935abc-def0-7123-4567-890abcdef013")).await,
                404,
                "NOT_FOUND",
            ),
            (api.get("/v1/nothing").await, 404, "NOT_FOUND"),
            (
                api.send(Method::PUT, "/v1/exports", |it| it).await,
                405,
                "METHOD_NOT_ALLOWED",
            ),
            (api.delete(&pending).await, 409, "EXPORT_ACTIVE"),
            (
                api.post_keyed("k", &other).await,
                409,
                "IDEMPOTENCY_MISMATCH",
            ),
            (
                api.get(&format!("{expired}/download")).await,
                410,
                "EXPORT_EXPIRED",
            ),
            (
                api.send(Method::POST, "/v1/exports", large).await,
                413,
                "PAYLOAD_TOO_LARGE",
            ),
            (
                stranger.send(Method::GET, link.as_str(), behind).await,
                416,
                "RANGE_NOT_SATISFIABLE",
            ),
        ] {
            assert_refused(&reply, status, code, &[]);
            assert!(!reply.error_message().is_empty());
        }
    });
}

#[test]
fn unknown_routes_are_404_with_the_envelope() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let stranger = consumer.api.without_key();
        for path in [
            "/",
            "/nothing",
            "/v2/exports",
            "/v1x",
            "/healthz/",
            "/files",
            "/files/",
            "//v1/exports",
            "/index.html",
            "/%00",
        ] {
            let reply = stranger.get(path).await;
            assert_refused(&reply, 404, "NOT_FOUND", &["not found"]);
        }
        for path in [
            "/v1",
            "/v1/",
            "/v1/export",
            "/v1/exports/",
            "/v1//exports",
            "/v1/exports/x/y",
            "/v1/Exports",
        ] {
            let reply = consumer.api.get(path).await;
            assert_refused(&reply, 404, "NOT_FOUND", &["not found"]);
        }
    });
}

#[test]
fn a_405_lists_the_allowed_methods() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = consumer.put(consumer.row(ExportStatus::Pending)).await;
        let (export, download, file) = (
            path(&id),
            format!("{}/download", path(&id)),
            format!("/files/{id}"),
        );
        for (path, allowed) in [
            ("/v1/exports", &["GET", "HEAD", "POST"][..]),
            (&export, &["DELETE", "GET", "HEAD"]),
            ("/v1/exports/no-uuid", &["DELETE", "GET", "HEAD"]),
            (&download, &["GET", "HEAD"]),
            (&file, &["GET", "HEAD"]),
            ("/healthz", &["GET", "HEAD"]),
            ("/readyz", &["GET", "HEAD"]),
            ("/openapi.json", &["GET", "HEAD"]),
        ] {
            for method in [
                "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get",
            ] {
                if allowed.contains(&method) {
                    continue;
                }
                let method: Method = method.parse().unwrap();
                let reply = consumer.api.send(method.clone(), path, |it| it).await;
                assert_eq!(reply.status, 405, "{method} {path}");
                assert_eq!(reply.error_code(), "METHOD_NOT_ALLOWED");
                let mut told: Vec<_> = reply
                    .header("allow")
                    .unwrap()
                    .split(',')
                    .map(str::trim)
                    .collect();
                told.sort_unstable();
                assert_eq!(told, allowed, "{method} {path}");
            }
        }
        assert_eq!(consumer.get(&id).await["status"], "pending");
    });
}

#[test]
fn head_matches_get_without_a_body() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = consumer.put(consumer.row(ExportStatus::Pending)).await;
        for path in [
            "/healthz",
            "/readyz",
            "/openapi.json",
            "/v1/exports",
            "/v1/exports?limit=x",
            "/v1/nothing",
            "/nothing",
            &path(&id),
            &format!("{}/download", path(&id)),
        ] {
            let (get, head) = (consumer.api.get(path).await, consumer.api.head(path).await);
            assert_eq!(get.status, head.status, "{path}");
            for name in ["content-type", "content-length", "etag", "retry-after"] {
                assert_eq!(get.header(name), head.header(name), "{path} {name}");
            }
        }
        let reply = consumer.api.without_key().head("/v1/exports").await;
        assert_eq!(reply.status, 401);
    });
}

#[test]
fn request_ids_are_unique_and_clients_cannot_choose_them() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api;
        let mut ids = HashSet::new();
        for path in ["/healthz", "/v1/exports", "/nothing"].repeat(20) {
            let choose =
                |request: reqwest::RequestBuilder| request.header("X-Request-Id", "req_mine");
            let reply = api.send(Method::GET, path, choose).await;
            assert!(ids.insert(reply.header("x-request-id").unwrap().to_owned()));
        }
        assert!(!ids.contains("req_mine"));
    });
}

#[test]
fn every_log_line_of_a_request_has_its_id() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let api = &consumer.api;
        for reply in [
            api.get("/v1/exports").await,
            api.post("/v1/exports", &request()).await,
            api.get("/nothing").await,
            api.head("/healthz").await,
        ] {
            let id = reply.header("x-request-id").unwrap();
            // Log lines arrive slightly later than the response.
            let lines = eventually("the request is in the log", TIMEOUT, async || {
                let log = consumer.fixture.api_log();
                let lines = log.lines().filter(|line| line.contains(id));
                let lines: Vec<_> = lines.map(str::to_owned).collect();
                (!lines.is_empty()).then_some(lines)
            });
            for line in lines.await {
                let event: serde_json::Value = serde_json::from_str(&line).unwrap();
                assert_eq!(event["span"]["request_id"], id, "{line}");
            }
        }
        // Every log line of a request has an id.
        for line in consumer.fixture.api_log().lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let of_a_request = event["span"]["request_id"].is_string();
            // The audit trail sums up refused requests.
            let is_other = event["message"] == "listening" || event["target"] == "audit";
            assert!(of_a_request || is_other, "{line}");
        }
    });
}

#[test]
fn internal_errors_are_500_and_do_not_expose_details() {
    story(async |_| {
        let fixture = Fixture::builder().start().await;
        let consumer = Consumer::owner_of(&fixture);
        // A file that was truncated or extended outside the service.
        for length in [10, 10_000] {
            let export = consumer.completed().await;
            let link = consumer.link(&id_of(&export)).await;
            let key = fixture.object_key(&id_of(&export)).await;
            let path = fixture.file_path(&key);
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(length).unwrap();
            let reply = consumer.follow(&link).await;
            assert_refused(&reply, 500, "INTERNAL_ERROR", &[]);
            let message = reply.error_message();
            assert!(
                !message.contains('/') && !message.contains(".csv"),
                "{message}"
            );
            let id = reply.header("x-request-id").unwrap();
            let told = eventually("the failure is in the log", TIMEOUT, async || {
                let log = fixture.api_log();
                let mut lines = log.lines();
                let told = lines.find(|line| line.contains(id) && line.contains("ERROR"));
                told.map(str::to_owned)
            });
            let told = told.await;
            assert!(told.contains(&id_of(&export)), "{told}");
        }
    });
}

#[test]
fn an_unknown_error_code_of_a_later_version_is_returned_as_internal_error() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let row = consumer
            .row(ExportStatus::Failed)
            .with("error_code", "FROM_THE_FUTURE");
        let id = consumer.put(row).await;
        let export = consumer.api.get(&path(&id)).await.expect(200).data();
        assert_eq!(export["error_code"], "INTERNAL_ERROR");
        assert!(export["error_message"].is_string());
        let listed = consumer.api.get("/v1/exports").await.expect(200).data();
        assert_eq!(listed, serde_json::json!([export]));
    });
}
