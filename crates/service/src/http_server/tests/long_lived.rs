//! Requests that wait long, and responses that go on for long: they are served without hyper's buffers.

use super::support::{LONG, SHORT, Server, request};
use crate::http_server::limits::Timeouts;

fn closed(reason: &str, count: u32) -> String {
    format!("exports_http_connections_closed_total{{reason=\"{reason}\"}} {count}")
}

#[tokio::test]
async fn a_request_that_waits_is_answered_and_its_connection_goes_on() {
    let server = Server::start(64, Timeouts::default()).await;
    let post = "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    for (sent, last) in [
        (request("/wait"), " waited"),
        // Two requests at once: the second is read while the first waits.
        (request("/wait") + &request("/peer"), " done"),
        (post.to_owned(), "hello waited"),
    ] {
        let mut client = server.client(request("/wait")).await;
        server.waiting(1).await;
        server.release();
        client.until(" waited").await;
        client.send(&sent).await;
        server.waiting(1).await;
        server.release();
        client.until(last).await;
        client.send(request("/peer")).await;
        client.until(" done").await;
    }
}

#[tokio::test]
async fn the_form_of_the_response_is_that_of_the_request() {
    let server = Server::start(64, Timeouts::default()).await;
    for (head, has_body, stays_open) in [
        ("GET /wait HTTP/1.1\r\nHost: x", true, true),
        ("HEAD /wait HTTP/1.1\r\nHost: x", false, true),
        (
            "GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close",
            true,
            false,
        ),
        ("GET /wait HTTP/1.0", true, false),
        ("GET /wait HTTP/1.0\r\nConnection: keep-alive", true, true),
    ] {
        let mut client = server.client(format!("{head}\r\n\r\n")).await;
        server.waiting(1).await;
        server.release();
        if stays_open {
            let end = if has_body { " waited" } else { "\r\n\r\n" };
            client.until(end).await;
            client.send("GET /peer HTTP/1.0\r\n\r\n").await;
        }
        let (rest, _) = client.closed().await;
        let is_next = rest.contains(" done");
        assert_eq!(is_next, stays_open, "{head}: {rest}");
        assert_eq!(
            rest.contains(" waited"),
            has_body && !stays_open,
            "{head}: {rest}"
        );
        let version = if head.contains("1.0") {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        };
        assert!(stays_open || rest.starts_with(version), "{head}: {rest}");
    }
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_client_leaves() {
    let server = Server::start(64, Timeouts::default()).await;
    for path in ["/wait", "/events"] {
        let client = server.client(request(path)).await;
        server.waiting(1).await;
        drop(client);
        server.waiting(0).await;
    }
    server.wait_for(&closed("broken", 2)).await;
}

#[tokio::test]
async fn a_stream_is_chunked_and_the_connection_goes_on_after_it() {
    let server = Server::start(64, Timeouts::default()).await;
    let mut client = server.client(request("/events") + &request("/peer")).await;
    server.waiting(1).await;
    server.release();
    let seen = client.until(" done").await;
    let next = "\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\nHTTP/1.1 200 OK";
    assert!(seen.contains(next), "{seen}");

    let close = "GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut client = server.client(close).await;
    server.waiting(1).await;
    server.release();
    let (answer, _) = client.closed().await;
    for part in [
        "HTTP/1.1 200 OK\r\n",
        "content-type: text/event-stream\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "\r\ndate: ",
        " GMT\r\n",
    ] {
        assert!(answer.contains(part), "{part:?} is not in {answer}");
    }
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    server.wait_for(&closed("finished", 1)).await;
    // Clients that know no chunks get the stream from hyper.
    let mut old = server.client("GET /events HTTP/1.0\r\n\r\n").await;
    server.waiting(1).await;
    server.release();
    let (answer, _) = old.closed().await;
    assert!(answer.ends_with("\r\n\r\nonethree"), "{answer}");
    server.waiting(0).await;
}

/// Otherwise a body could smuggle a request past a proxy.
#[tokio::test]
async fn a_body_that_nobody_reads_is_never_the_next_request() {
    let server = Server::start(64, Timeouts::default()).await;
    let body = request("/peer");
    let length = body.len();
    let head = format!("GET /events HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    let mut client = server.client(head + &body).await;
    server.waiting(1).await;
    server.release();
    let (answer, _) = client.closed().await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(!answer.contains(" done"), "{answer}");
}

#[tokio::test]
async fn waiting_has_no_limit_and_a_client_that_does_not_read_its_stream_is_closed() {
    let server = Server::start(64, SHORT).await;
    let mut waiting = server.client(request("/wait")).await;
    server.waiting(1).await;
    let _unread = server.client(request("/endless-events")).await;
    server.wait_for(&closed("slow_reader", 1)).await;
    server.release();
    waiting.until("waited").await;
}

#[tokio::test]
async fn a_stop_waits_for_requests_that_wait() {
    let server = Server::start(64, Timeouts::default()).await;
    let mut waiting = server.client(request("/wait")).await;
    let mut stream = server.client(request("/events")).await;
    server.waiting(2).await;
    server.stop.cancel();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!server.serving.is_finished());
    server.release();
    let (answer, _) = waiting.closed().await;
    assert!(
        answer.contains("connection: close") && answer.ends_with(" waited"),
        "{answer}"
    );
    let (events, _) = stream.closed().await;
    assert!(events.ends_with("0\r\n\r\n"), "{events}");
    tokio::time::timeout(LONG, server.serving)
        .await
        .unwrap()
        .unwrap();
}
