//! Unusual HTTP requests, byte by byte: valid ones get a response, invalid ones get an error and a closed connection.

use exports_tests::Reply;
use reqwest::Method;

use crate::api::{Api, assert_refused};
use crate::bad_input::assert_nothing_went_wrong;
use crate::shared::{request, story};
use crate::wire::Wire;

const POST: &str = "POST /v1/exports HTTP/1.1|Host: x";

/// Sends a raw request with a key. Lines of the head are separated by `|`.
async fn raw(api: &Api, head: &str, body: &[u8]) -> Reply {
    let (line, _) = head.split_once('|').unwrap_or((head, ""));
    let mut words = line.split(' ');
    let method: Method = words.next().unwrap().parse().unwrap();
    let path = words.next().unwrap();
    let path = path.trim_start_matches("http://other.example");

    let head = head.replace('|', "\r\n");
    let head = format!("{head}\r\nAuthorization: Bearer {}\r\n\r\n", api.key());
    let mut wire = Wire::to(api).await;
    wire.send([head.as_bytes(), body].concat()).await;
    let reply = wire.reply().await.expect("a response");
    api.check_reply(&method, path, &reply).await;
    reply
}

#[test]
fn an_unusual_invalid_request_gets_the_error_for_its_defect() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api;
        let with = |header: &str| format!("{POST}|{header}");
        let chunked = with("Transfer-Encoding: chunked");
        let both = with("Transfer-Encoding: chunked|Content-Length: 3");
        let expects = with("Expect: 100-continue|Content-Length: 70000");
        let zipped = with("Content-Encoding: gzip|Content-Length: 2");
        let id = "id must be a UUID";
        for (head, body, status, says) in [
            ("GET /v1/exports/x HTTP/1.1", "", 400, id),
            ("GET /v1/exports/x HTTP/1.1|Host: a|Host: b", "", 400, id),
            ("GET /v1/exports/x HTTP/1.1|Host: ", "", 400, id),
            ("GET /v1/exports/x HTTP/1.0", "", 400, id),
            ("GET /v1/exports/é HTTP/1.1|Host: x", "", 400, id),
            (
                "GET /v1/exports?limit=é HTTP/1.1|Host: x",
                "",
                400,
                "limit must be a number",
            ),
            ("GET /v1/../healthz HTTP/1.1|Host: x", "", 404, "not found"),
            ("OPTIONS * HTTP/1.1|Host: x", "", 404, "not found"),
            (
                "CONNECT example.com:443 HTTP/1.1|Host: x",
                "",
                404,
                "not found",
            ),
            ("BREW /v1/exports HTTP/1.1|Host: x", "", 405, "Allow"),
            (
                "post /v1/exports HTTP/1.1|Content-Length: 2",
                "{}",
                405,
                "Allow",
            ),
            (POST, "", 400, "payload must be valid JSON"),
            (&chunked, "zz\r\n\r\n", 400, "body could not be read"),
            (&chunked, "0\r\n\r\n", 400, "payload must be valid JSON"),
            (&both, "0\r\n\r\n", 400, "payload must be valid JSON"),
            (&expects, "", 413, "65536 bytes"),
            (&zipped, "\x1f\x0b", 400, "payload must be valid JSON"),
        ] {
            let code = match status {
                400 => "INVALID_REQUEST",
                404 => "NOT_FOUND",
                405 => "METHOD_NOT_ALLOWED",
                _ => "PAYLOAD_TOO_LARGE",
            };
            let reply = raw(&api, head, body.as_bytes()).await;
            assert_refused(&reply, status, code, &[says]);
        }
        assert_nothing_went_wrong(&fixtures).await;
    });
}

#[test]
fn unusual_valid_requests_succeed() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api;
        for (head, body) in [
            ("GET /v1/exports HTTP/1.1", ""),
            ("GET http://other.example/v1/exports HTTP/1.1|Host: x", ""),
            ("GET /v1/exports?&& HTTP/1.1|Host: x", ""),
            ("GET /v1/exports HTTP/1.1|Host: x|Content-Length: 2", "{}"),
            (
                "GET /v1/exports HTTP/1.1|Host: x|Connection: upgrade|Upgrade: h2c",
                "",
            ),
        ] {
            let reply = raw(&api, head, body.as_bytes()).await;
            assert_eq!(reply.status, 200, "{head}");
        }
        let body = request().to_string();
        let length = format!("{POST}|Content-Length: {}", body.len());
        assert_eq!(raw(&api, &length, body.as_bytes()).await.status, 201);
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let chunked = format!("{POST}|Transfer-Encoding: chunked");
        assert_eq!(raw(&api, &chunked, chunks.as_bytes()).await.status, 201);
    });
}

#[test]
fn malformed_http_is_rejected_and_the_connection_is_closed() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api;
        let key = format!("Authorization: Bearer {}\r\n", api.key());
        let long = format!(
            "GET /v1/exports?limit={} HTTP/1.1\r\n\r\n",
            "1".repeat(70_000)
        );
        let large = format!(
            "GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n",
            "a".repeat(600_000)
        );
        let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(200));
        let two = format!(
            "POST /v1/exports HTTP/1.1\r\n{key}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let negative = format!("POST /v1/exports HTTP/1.1\r\n{key}Content-Length: -1\r\n\r\n");
        for junk in [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
            b"hello\r\n\r\n".to_vec(),
            b"GET\r\n\r\n".to_vec(),
            b"GET /healthz HTTP/9.9\r\n\r\n".to_vec(),
            b"GET /v1/exports?limit=\xff HTTP/1.1\r\n\r\n".to_vec(),
            b"GET /healthz HTTP/1.1\r\nX\xc3\xa9: a\r\n\r\n".to_vec(),
            b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n".to_vec(),
            b"GET /healthz HTTP/1.1\r\nX: a\0b\r\n\r\n".to_vec(),
            long.into(),
            large.into(),
            many.into(),
            two.into(),
            negative.into(),
        ] {
            let mut wire = Wire::to(&api).await;
            wire.send(&junk).await;
            if let Some(reply) = wire.reply().await {
                let shown: String = String::from_utf8_lossy(&junk).chars().take(60).collect();
                assert!(
                    (400..500).contains(&reply.status),
                    "{shown}: {}",
                    reply.status
                );
                wire.closed().await;
            }
        }
        assert_nothing_went_wrong(&fixtures).await;
    });
}
