//! CORS: what a browser needs so that web pages of other origins can use the API.

use exports_tests::{Client, Fixture, Message, Process, Reply};
use reqwest::{Method, RequestBuilder};

use crate::api::{Api, assert_refused};
use crate::shared::{Consumer, id_of, path, request, story};

const ORIGIN: &str = "https://app.example.com";
const ORIGINS: &str = "http://localhost:3000, https://app.example.com";
const VARIABLE: &str = "EXPORTS_CORS_ORIGINS";

async fn ask(api: &Api, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let add = |request: RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
    let prepare = |request| headers.iter().fold(request, add);
    api.send(method, path, prepare).await
}

/// A preflight request as a browser sends it: without a key, and without a body in the answer.
async fn preflight(api: &Api, path: &str, origin: &str) -> Reply {
    let client = Client::new(api.base());
    let request = client
        .request(Method::OPTIONS, path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization");
    client.send(request).await
}

#[track_caller]
fn list<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    let value = reply.header(name).unwrap_or_else(|| panic!("no {name}"));
    value.split(',').map(str::trim).collect()
}

#[track_caller]
fn assert_readable(reply: &Reply, origin: &str) {
    let place = format!("status {}", reply.status);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some(origin),
        "{place}"
    );
    let exposed = list(reply, "access-control-expose-headers");
    for name in [
        "location",
        "x-request-id",
        "etag",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "idempotency-replayed",
        "content-disposition",
        "link",
        "repr-digest",
        "x-trace-id",
    ] {
        assert!(exposed.contains(&name), "{place}: {name}");
    }
    assert_eq!(
        reply.header("access-control-allow-credentials"),
        None,
        "{place}"
    );
}

#[track_caller]
fn assert_no_cors(reply: &Reply) {
    for name in reply.headers.keys() {
        assert!(!name.as_str().starts_with("access-control-"), "{name}");
    }
}

async fn fixture(origins: &str) -> Fixture {
    let builder = Fixture::builder().api_env(VARIABLE, origins);
    builder
        .api_env("EXPORTS_REQUESTS_PER_KEY", "5/1m")
        .start()
        .await
}

#[test]
fn without_the_setting_there_is_no_cors() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let reply = ask(
            &consumer.api,
            Method::GET,
            "/v1/exports",
            &[("Origin", ORIGIN)],
        )
        .await;
        assert_no_cors(&reply.expect(200));
        let refused = preflight(&consumer.api, "/v1/exports", ORIGIN).await;
        assert_no_cors(&refused);
        assert_refused(&refused, 401, "UNAUTHORIZED", &[]);
    });
}

#[test]
fn a_preflight_request_needs_no_key() {
    story(async |_| {
        let fixture = fixture(ORIGINS).await;
        let consumer = Consumer::owner_of(&fixture);
        for path in [
            "/v1/exports",
            "/v1/exports/x/download",
            "/v1/nothing",
            "/files/x",
        ] {
            let reply = preflight(&consumer.api, path, ORIGIN).await;
            assert_eq!(reply.status, 200, "{path}");
            assert!(reply.body.is_empty(), "{path}");
            assert_eq!(reply.header("access-control-allow-origin"), Some(ORIGIN));
            let methods = list(&reply, "access-control-allow-methods");
            assert_eq!(methods, ["GET", "HEAD", "POST", "DELETE"]);
            let headers = list(&reply, "access-control-allow-headers");
            for name in [
                "authorization",
                "content-type",
                "idempotency-key",
                "if-none-match",
                "range",
                "traceparent",
            ] {
                assert!(headers.contains(&name), "{name}: {headers:?}");
            }
            assert_eq!(reply.header("access-control-max-age"), Some("3600"));
            assert!(list(&reply, "vary").contains(&"origin"));
            assert!(reply.header("x-request-id").is_some());
        }
        // Other OPTIONS requests are answered as without CORS.
        let api = consumer.api.without_key();
        let reply = ask(&api, Method::OPTIONS, "/v1/exports", &[("Origin", ORIGIN)]).await;
        assert_refused(&reply, 401, "UNAUTHORIZED", &[]);
    });
}

#[test]
fn every_answer_can_be_read_by_a_page_of_an_allowed_origin() {
    story(async |_| {
        let fixture = fixture(ORIGINS).await;
        let consumer = Consumer::owner_of(&fixture);
        let api = &consumer.api;
        let origin = [("Origin", ORIGIN)];
        let message = Message::outbound(&consumer.project);
        fixture.insert_messages(&[message]).await;
        let body = request();
        let created = api
            .send(Method::POST, "/v1/exports", |request| {
                request.header("Origin", ORIGIN).json(&body)
            })
            .await
            .expect(201);
        assert_readable(&created, ORIGIN);
        let id = id_of(&created.data());
        fixture.wait_until_completed(id.parse().unwrap()).await;

        let download = format!("{}/download?redirect=false", path(&id));
        let link = ask(api, Method::GET, &download, &origin).await.expect(200);
        assert_readable(&link, ORIGIN);
        let url = link.data()["url"].as_str().unwrap().to_owned();
        let file = ask(&api.without_key(), Method::GET, &url, &origin).await;
        assert_readable(&file.expect(200), ORIGIN);
        let forged = format!("{url}0");
        let forged = ask(&api.without_key(), Method::GET, &forged, &origin).await;
        assert_refused(&forged, 403, "INVALID_SIGNATURE", &[]);
        assert_readable(&forged, ORIGIN);

        let without_key = api.without_key();
        for (api, method, path, status) in [
            (&without_key, Method::GET, "/v1/exports", 401),
            (&without_key, Method::GET, "/nothing", 404),
            (&without_key, Method::POST, "/healthz", 405),
            (&without_key, Method::GET, "/openapi.json", 200),
            (&without_key, Method::HEAD, "/healthz", 200),
            (api, Method::GET, "/v1/exports/x", 400),
        ] {
            let reply = ask(api, method, path, &origin).await;
            assert_eq!(reply.status, status, "{path}");
            assert_readable(&reply, ORIGIN);
        }
        let limited = loop {
            let reply = ask(api, Method::GET, "/v1/exports", &origin).await;
            assert_readable(&reply, ORIGIN);
            if reply.status == 429 {
                break reply;
            }
            let _ = reply.expect(200);
        };
        assert!(limited.header("retry-after").is_some());
        let second = [("Origin", "http://localhost:3000")];
        let reply = ask(&without_key, Method::GET, "/healthz", &second).await;
        assert_readable(&reply, "http://localhost:3000");
    });
}

#[test]
fn an_origin_that_is_not_allowed_gets_the_answer_without_the_headers() {
    story(async |_| {
        let fixture = fixture(ORIGINS).await;
        let consumer = Consumer::owner_of(&fixture);
        for origin in [
            "https://evil.example",
            "https://app.example.com.evil.example",
            "http://app.example.com",
            "https://app.example.com:8443",
            "null",
        ] {
            let headers = [("Origin", origin)];
            let reply = ask(&consumer.api, Method::GET, "/healthz", &headers).await;
            assert_no_cors(&reply);
            assert_eq!(reply.header("vary"), Some("origin"), "for caches");
            let _ = reply.expect(200);
            let refused = preflight(&consumer.api, "/v1/exports", origin).await;
            assert_no_cors(&refused);
            assert_refused(&refused, 401, "UNAUTHORIZED", &[]);
        }
        let reply = consumer.api.get("/healthz").await;
        assert_no_cors(&reply.expect(200));
    });
}

#[test]
fn a_star_allows_every_origin() {
    story(async |_| {
        let fixture = fixture("*").await;
        let consumer = Consumer::owner_of(&fixture);
        let headers = [("Origin", "https://any.example")];
        let reply = ask(&consumer.api, Method::GET, "/v1/exports", &headers).await;
        assert_readable(&reply.expect(200), "*");
        let reply = preflight(&consumer.api, "/v1/exports", "https://any.example").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    });
}

fn unreachable_database(folder: &tempfile::TempDir, origins: &str) -> Vec<(String, String)> {
    let store = format!("file://{}", folder.path().display());
    [
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"),
        ("EXPORTS_OBJECT_STORE_URL", &*store),
        ("EXPORTS_SIGNING_KEY", crate::shared::SIGNING_KEY),
        ("EXPORTS_LISTEN", "127.0.0.1:0"),
        ("EXPORTS_LOG_FORMAT", "json"),
        (VARIABLE, origins),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[test]
fn answers_before_the_start_is_complete_have_the_headers() {
    story(async |_| {
        let folder = tempfile::tempdir().unwrap();
        let environment = unreachable_database(&folder, ORIGINS);
        let mut process = Process::start("exports-api", &[], environment);
        let api = Api::new(Client::new(&process.wait_for_address().await));
        let reply = ask(&api, Method::GET, "/v1/exports", &[("Origin", ORIGIN)]).await;
        assert_refused(&reply, 503, "UNAVAILABLE", &[]);
        assert_readable(&reply, ORIGIN);
        let reply = preflight(&api, "/v1/exports", ORIGIN).await;
        assert_eq!(reply.status, 200);
    });
}

#[test]
fn a_wrong_origin_is_refused_at_the_start_by_name() {
    story(async |_| {
        let folder = tempfile::tempdir().unwrap();
        for (origins, says) in [
            ("https://app.example.com/", "use https://app.example.com"),
            ("app.example.com", "is no origin such as"),
            ("https://*.example.com", "patterns are not supported"),
            ("*, https://app.example.com", "use * alone"),
        ] {
            let environment = unreachable_database(&folder, origins);
            let mut process = Process::start("exports-api", &[], environment);
            let line = process.wait_for_line(VARIABLE).await;
            assert!(line.contains(says), "{line}");
            assert!(!process.wait().await.success());
        }
    });
}
