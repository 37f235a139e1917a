//! How the API serves its pages, without a browser.

use exports_tests::{Fixture, Reply};
use reqwest::Method;
use reqwest::header::IF_NONE_MATCH;

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.header(name).unwrap_or_default()
}

#[tokio::test]
async fn pages_and_their_files_need_no_key_and_have_a_strict_policy() {
    let fixture = Fixture::builder().workers(0).start().await;
    let api = fixture.api().without_key();
    for (path, content_type) in [
        ("/console", "text/html; charset=utf-8"),
        ("/console/main.js", "text/javascript; charset=utf-8"),
        ("/console/style.css", "text/css; charset=utf-8"),
        ("/console/icon.svg", "image/svg+xml"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/main.js", "text/javascript; charset=utf-8"),
        (
            "/docs/swagger-ui-bundle.js",
            "text/javascript; charset=utf-8",
        ),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
    ] {
        let reply = api.get(path).await.expect(200);
        assert_eq!(header(&reply, "content-type"), content_type, "{path}");
        assert_eq!(header(&reply, "cache-control"), "no-cache", "{path}");
        assert_eq!(
            header(&reply, "x-content-type-options"),
            "nosniff",
            "{path}"
        );
        assert_eq!(header(&reply, "referrer-policy"), "no-referrer", "{path}");
        let policy = header(&reply, "content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|it| it == directive), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");

        let encoding = reply.header("content-encoding");
        let expected = path.contains("swagger").then_some("gzip");
        assert_eq!(encoding, expected, "{path}");

        let tag = header(&reply, "etag");
        let again = api.request(Method::GET, path).header(IF_NONE_MATCH, tag);
        let again = api.send(again).await.expect(304);
        assert!(again.body.is_empty(), "{path}");
        assert_eq!(header(&again, "etag"), tag, "{path}");
        let head = api.send(api.request(Method::HEAD, path)).await.expect(200);
        assert_eq!(header(&head, "etag"), tag, "{path}");
    }
    for (path, location) in [("/console/", "../console"), ("/docs/", "../docs")] {
        let slash = api.get(path).await.expect(308);
        assert_eq!(header(&slash, "location"), location);
    }
}

#[tokio::test]
async fn unknown_files_and_other_methods_are_errors_in_the_envelope() {
    let fixture = Fixture::builder().workers(0).start().await;
    let api = fixture.api().without_key();
    for path in [
        "/console/none.js",
        "/console/a/b",
        "/console/%2e%2e",
        "/docs/none.js",
        "/docs/swagger-initializer.js",
    ] {
        let reply = api.get(path).await.expect(404);
        assert_eq!(reply.json()["error"]["code"], "NOT_FOUND", "{path}");
        assert_eq!(header(&reply, "cache-control"), "no-store", "{path}");
    }
    let reply = api.send(api.request(Method::POST, "/console")).await;
    assert_eq!(
        reply.expect(405).json()["error"]["code"],
        "METHOD_NOT_ALLOWED"
    );
}

#[tokio::test]
async fn each_page_can_be_switched_off() {
    for (variable, off, on) in [
        ("EXPORTS_CONSOLE", "/console", "/docs"),
        ("EXPORTS_DOCS", "/docs", "/console"),
    ] {
        let builder = Fixture::builder().workers(0);
        let fixture = builder.api_env(variable, "off").start().await;
        for path in [off, &format!("{off}/"), &format!("{off}/main.js")] {
            let reply = fixture.api().get(path).await.expect(404);
            assert_eq!(reply.json()["error"]["code"], "NOT_FOUND", "{path}");
        }
        let _ = fixture.api().get(on).await.expect(200);
        let _ = fixture.api().get("/openapi.json").await.expect(200);
    }
}
