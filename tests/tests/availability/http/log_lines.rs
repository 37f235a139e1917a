//! What clients send does not make log lines long.

use exports_tests::{Process, TIMEOUT, eventually};

use super::support::{address, client, environment, fixture, sent};

#[tokio::test]
async fn a_long_method_path_or_name_does_not_make_a_long_log_line_or_message() {
    let fixture = fixture().await;
    let mut api = Process::start("exports-api", &[], environment(&fixture, &[]));
    let address = address(&mut api).await;
    let long = "BREW".repeat(3_000);
    let request = format!("{long} /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1_000));
    let _stream = sent(address, request.as_bytes()).await;
    let line = eventually("the request is logged", TIMEOUT, async || {
        let lines = api.log();
        let line = lines
            .lines()
            .find(|line| line.contains("request completed"));
        line.map(str::to_owned)
    })
    .await;
    let is_bounded = line.len() < 1_000 && line.contains(r#""method":"other""#);
    assert!(is_bounded, "{line}");
    let reply = client(address)
        .get(&format!("/healthz?{}=1", "a".repeat(8_000)))
        .await;
    assert!(reply.body.len() < 1_000, "{}", reply.text());
    let longest = api.log().lines().map(str::len).max();
    assert!(longest < Some(1_500), "{longest:?}");
}
