//! A hard limit of open files that is too low.

use std::time::Duration;

use super::support::{
    address, all_closed, environment, fixture, good_requests_until, many, start_with_limit,
};

#[tokio::test]
async fn with_few_descriptors_good_requests_get_through_and_the_log_says_why_they_wait() {
    let fixture = fixture().await;
    let mut api = start_with_limit("-n 256", environment(&fixture, &[]));
    let address = address(&mut api).await;
    let base = format!("http://{address}");
    let open = many(300, address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await;
    let ((), longest) = good_requests_until(&base, all_closed(open)).await;
    println!("the slowest good request took {longest:?}");
    assert!(longest <= Duration::from_secs(15), "{longest:?}");
    let log = api.log();
    for line in [
        "the limit of open files (ulimit -n) is too low for EXPORTS_MAX_CONNECTIONS=2048",
        "all connections are in use: new ones wait",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
    api.terminate();
    assert_eq!(api.wait().await.code(), Some(0));
}
