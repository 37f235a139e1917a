//! The server stops: requests are completed, everything else is closed.

use std::time::Instant;

use super::support::{LONG, Server, request};
use crate::http_server::limits::Timeouts;

#[tokio::test]
async fn half_open_and_idle_connections_close_at_once_and_a_request_is_completed() {
    let server = Server::start(64, Timeouts::default()).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(server.client("GET /slow HTTP/1.1\r\n").await);
        waiting.push(server.connect().await);
        let mut idle = server.client(request("/peer")).await;
        idle.until("127.0.0.1").await;
        waiting.push(idle);
    }
    let mut busy = server.client(request("/slow")).await;
    server.wait_for("exports_http_connections 61").await;
    let begun = Instant::now();
    server.stop.cancel();
    for client in &mut waiting {
        let (rest, _) = client.closed().await;
        assert_eq!(rest, "");
    }
    let closed = begun.elapsed();
    let (answer, _) = busy.closed().await;
    assert!(closed < begun.elapsed(), "they closed before the response");
    assert!(
        answer.ends_with("slow") && answer.contains("connection: close"),
        "{answer}"
    );
    tokio::time::timeout(LONG, server.serving)
        .await
        .unwrap()
        .unwrap();
}
