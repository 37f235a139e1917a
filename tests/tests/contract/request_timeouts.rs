//! Request timeouts. One test takes half a minute, because the timeout is that long.

use std::time::{Duration, Instant};

use exports_tests::{Fixture, Reply};
use futures_util::future::join_all;
use reqwest::Method;

use crate::api::assert_refused;
use crate::shared::{Consumer, request, story};
use crate::wire::Wire;

/// A client that is rejected before its body is read may still be sending it. If the server closed the connection at once, the client
/// would see a broken connection instead of the response. So the server waits for the body, but not for long.
#[test]
fn the_wait_for_the_body_of_a_rejected_request_is_limited() {
    story(async |fixtures| {
        let api = fixtures.consumer().await.api;
        let key = format!("Authorization: Bearer {}\r\n", api.key());
        let begun = Instant::now();
        let cases = [
            ("", 100, 401, "UNAUTHORIZED"),
            (&*key, 99_999_999_999_u64, 413, "PAYLOAD_TOO_LARGE"),
        ];
        join_all(cases.map(async |(key, length, status, code)| {
            let mut wire = Wire::to(&api).await;
            wire.send(format!(
                "POST /v1/exports HTTP/1.1\r\nHost: x\r\n{key}Content-Length: {length}\r\n\r\n{{"
            ))
            .await;
            let reply = wire.reply().await.expect("a response");
            api.check_reply(&Method::POST, "/v1/exports", &reply).await;
            assert_refused(&reply, status, code, &[]);
        }))
        .await;
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "{:?}",
            begun.elapsed()
        );
    });
}

#[test]
fn a_stalled_body_and_an_unresponsive_database_time_out_with_503() {
    story(async |_| {
        let fixture = Fixture::builder().workers(0).database_proxy().start().await;
        let consumer = Consumer::owner_of(&fixture);
        let api = &consumer.api;
        let key = format!("Host: x\r\nAuthorization: Bearer {}\r\n", api.key());
        let begun = Instant::now();

        // A create whose body stalls.
        let mut slow = Wire::to(api).await;
        slow.send(format!(
            "POST /v1/exports HTTP/1.1\r\n{key}Content-Length: 200\r\n\r\n{{\"start_time\""
        ))
        .await;
        // A request that ends in the middle of its body gets an error or a closed connection at once.
        let mut short = Wire::to(api).await;
        short
            .send(format!(
                "POST /v1/exports HTTP/1.1\r\n{key}Content-Length: 200\r\n\r\n{{"
            ))
            .await;
        short.end().await;
        if let Some(reply) = short.reply().await {
            assert_eq!(reply.status, 400);
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
        // Other requests are served meanwhile.
        consumer.create(&request()).await;

        // A read while the database does not respond.
        fixture.database_proxy().hold();
        let mut held = Wire::to(api).await;
        held.send(format!("GET /v1/exports HTTP/1.1\r\n{key}\r\n"))
            .await;
        for (wire, method) in [(&mut slow, Method::POST), (&mut held, Method::GET)] {
            let reply: Reply = wire.reply().await.expect("a response");
            assert!(begun.elapsed() < Duration::from_secs(45), "{method}");
            api.check_reply(&method, "/v1/exports", &reply).await;
            assert_refused(&reply, 503, "UNAVAILABLE", &[]);
            assert!(reply.header("retry-after").is_some(), "{method}");
        }
        fixture.database_proxy().restore();
        let list = api.get("/v1/exports").await.expect(200).data();
        assert_eq!(
            list.as_array().map(Vec::len),
            Some(1),
            "an incomplete request creates no export"
        );
    });
}
