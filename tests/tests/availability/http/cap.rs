//! The cap on connections.

use std::time::Duration;

use exports_tests::{Process, Scrape, TIMEOUT, eventually};

use super::support::{address, environment, fixture, good_request, many, metrics};

#[tokio::test]
async fn with_a_request_on_every_connection_another_one_waits_until_one_ends() {
    let fixture = fixture().await;
    let environment = environment(&fixture, &[("EXPORTS_MAX_CONNECTIONS", "8")]);
    let mut api = Process::start("exports-api", &[], environment);
    let metrics = metrics(&mut api).await;
    let address = address(&mut api).await;
    // The API waits five seconds for the body of a request that it refuses.
    let head = b"POST /v1/exports HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";
    let busy = many(8, address, head).await;
    let value = async |name: &str| Scrape::of(&metrics).await.find(name, &[])[0].value;
    eventually("every connection has a request", TIMEOUT, async || {
        (value("exports_http_requests_in_flight").await > 7.5).then_some(())
    })
    .await;
    let base = format!("http://{address}");
    let (took, ()) = tokio::join!(good_request(&base), async {
        eventually("another connection waits", TIMEOUT, async || {
            (value("exports_http_connections_waiting").await > 0.5).then_some(())
        })
        .await;
    });
    assert!(took > Duration::from_secs(2), "{took:?}");
    assert!(value("exports_http_connections_waiting").await < 0.5);
    assert!((value("exports_http_max_connections").await - 8.0).abs() < 0.5);
    let log = api.log();
    let line = "all connections are in use: new ones wait";
    assert_eq!(log.matches(line).count(), 1, "{log}");
    drop(busy);
}
