//! Each limit closes a connection, and says so in the metrics.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use super::support::{SHORT, Server, request};
use crate::http_server::limits::Timeouts;

fn closed(reason: &str, count: u32) -> String {
    format!("exports_http_connections_closed_total{{reason=\"{reason}\"}} {count}")
}

#[tokio::test]
async fn a_request_has_the_address_of_its_peer() {
    let server = Server::start(8, SHORT).await;
    let mut client = server.client(request("/peer")).await;
    let address = client.0.local_addr().unwrap().to_string();
    client.until(&address).await;
    assert!(server.shows("exports_http_connections 1"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off_even_if_bytes_arrive() {
    let server = Server::start(8, SHORT).await;
    let mut silent = server.connect().await;
    let mut half = server.client("GET /peer HTTP/1.1\r\nHost: x\r\n").await;
    let mut dripping = server.client("GET /peer HTTP/1.1\r\n").await;
    let drip = async {
        let begun = Instant::now();
        loop {
            dripping.send("X-A: b\r\n").await;
            let mut byte = [0; 1];
            let read = tokio::time::timeout(Duration::from_millis(50), dripping.0.read(&mut byte));
            if let Ok(Ok(0) | Err(_)) = read.await {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < SHORT.head * 10);
        }
    };
    let (dripped, silent, half) = tokio::join!(drip, silent.closed(), half.closed());
    for time in [dripped, silent.1, half.1] {
        assert!(time >= SHORT.head / 2 && time < SHORT.head * 5, "{time:?}");
    }
    server.wait_for(&closed("head_timeout", 3)).await;
    server.wait_for("exports_http_connections 0").await;
}

#[tokio::test]
async fn a_connection_is_kept_between_requests_for_its_own_time() {
    let server = Server::start(8, SHORT).await;
    let mut client = server.client(request("/peer")).await;
    client.until(" done").await;
    // Longer than the time for a head.
    tokio::time::sleep(SHORT.head + Duration::from_millis(200)).await;
    client.send(request("/peer")).await;
    client.until(" done").await;
    let (_, time) = client.closed().await;
    assert!(
        time > SHORT.idle.saturating_sub(Duration::from_millis(100)),
        "{time:?}"
    );
    server.wait_for(&closed("idle_timeout", 1)).await;

    // The head of a second request has the same limit as that of the first.
    let mut client = server.client(request("/peer")).await;
    client.until(" done").await;
    client.send("GET /").await;
    client.closed().await;
    server.wait_for(&closed("head_timeout", 1)).await;
}

#[tokio::test]
async fn a_request_in_progress_has_no_limit_here() {
    let server = Server::start(8, SHORT).await;
    let mut client = server.client(request("/slow")).await;
    client.until("slow").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_one_that_reads_is_not() {
    let server = Server::start(8, SHORT).await;
    let stuck = server.client(request("/endless")).await;
    let mut reading = server.client(request("/endless")).await;
    let begun = Instant::now();
    let mut read = 0;
    while begun.elapsed() < SHORT.stall * 4 {
        read += reading.0.read(&mut [0; 16_000]).await.unwrap();
    }
    assert!(read > 0);
    server.wait_for(&closed("slow_reader", 1)).await;
    assert!(server.shows("exports_http_connections 1"));
    drop(stuck);
}

#[tokio::test]
async fn a_head_has_at_most_16_kibibytes() {
    let server = Server::start(8, Timeouts::default()).await;
    let header = |size| {
        format!(
            "GET /peer HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
            "a".repeat(size)
        )
    };
    let mut good = server.client(header(15 * 1024)).await;
    good.until(" done").await;
    let mut large = server.client(header(17 * 1024)).await;
    let (answer, _) = large.closed().await;
    // The answer is lost if the reset overtakes it.
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    server.wait_for(&closed("head_too_large", 1)).await;
    server.client("nonsense\r\n\r\n").await.closed().await;
    server.wait_for(&closed("invalid_request", 1)).await;
}

#[tokio::test]
async fn at_the_cap_connections_without_a_request_make_room() {
    let server = Server::start(4, Timeouts::default()).await;
    let mut idle = server.client(request("/peer")).await;
    idle.until(" done").await;
    let mut half = Vec::new();
    for _ in 0..3 {
        half.push(server.client("GET /").await);
    }
    server.wait_for("exports_http_connections 4").await;
    let begun = Instant::now();
    let mut another = server.client(request("/peer")).await;
    server.wait_for("exports_http_connections_waiting 1").await;
    another.until(" done").await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    // A half-open connection is closed first, and only as many as necessary.
    server.wait_for("exports_http_connections_waiting 0").await;
    server.wait_for(&closed("displaced", 1)).await;
    idle.send(request("/peer")).await;
    idle.until(" done").await;
}
