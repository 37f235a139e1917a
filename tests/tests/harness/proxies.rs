//! Faults of the proxy.

use std::time::Duration;

use exports_tests::{Loss, Proxy, TIMEOUT, holds_within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A server that answers each message with `ReadyForQuery`, the end of a PostgreSQL reply.
async fn answering() -> (Proxy, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(1..) = client.read(&mut buffer).await {
                    client.write_all(b"Z\0\0\0\x05I").await.ok();
                }
            });
        }
    });
    (Proxy::to(&address).await, server)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Sends a message and returns whether it was answered.
async fn ask(client: &mut TcpStream, message: &[u8]) -> bool {
    if client.write_all(message).await.is_err() {
        return false;
    }
    let mut answer = [0; 6];
    let answered = timeout(TIMEOUT, client.read_exact(&mut answer)).await;
    answered
        .expect("an answer or the end of the connection")
        .is_ok()
}

#[tokio::test]
async fn cut_connections_end_and_new_connections_are_served() {
    let (proxy, _server) = answering().await;
    let mut client = connect(&proxy).await;
    assert!(ask(&mut client, b"one").await);
    proxy.cut();
    assert!(!ask(&mut client, b"two").await);
    assert!(ask(&mut connect(&proxy).await, b"three").await);
}

#[tokio::test]
async fn an_unavailable_target_is_restored() {
    let (proxy, _server) = answering().await;
    let mut client = connect(&proxy).await;
    assert!(ask(&mut client, b"one").await);
    proxy.make_unavailable();
    assert!(!ask(&mut client, b"two").await);
    assert!(!ask(&mut connect(&proxy).await, b"three").await);
    proxy.restore();
    assert!(ask(&mut connect(&proxy).await, b"four").await);
}

#[tokio::test]
async fn a_held_request_waits_and_continues_after_the_restore() {
    let (proxy, _server) = answering().await;
    let mut client = connect(&proxy).await;
    assert!(ask(&mut client, b"one").await);
    proxy.hold();
    let asked = tokio::spawn(async move { ask(&mut client, b"two").await });
    let span = Duration::from_millis(200);
    holds_within("no answer", span, async || !asked.is_finished()).await;
    proxy.restore();
    assert!(asked.await.unwrap());
}

#[tokio::test]
async fn exactly_one_request_or_reply_with_the_marker_is_lost() {
    for loss in [Loss::Request, Loss::Reply] {
        let (proxy, _server) = answering().await;
        proxy.lose_at(loss, *b"marker");
        let mut client = connect(&proxy).await;
        assert!(ask(&mut client, b"another").await);
        assert!(!ask(&mut client, b"with a marker in it").await, "{loss:?}");
        assert_eq!(proxy.lost(), 1);
        assert!(ask(&mut connect(&proxy).await, b"marker again").await);
        assert_eq!(proxy.lost(), 1);
    }
}

#[tokio::test]
async fn a_marker_is_found_across_two_messages() {
    let (proxy, _server) = answering().await;
    proxy.lose_at(Loss::Reply, *b"marker");
    let mut client = connect(&proxy).await;
    assert!(ask(&mut client, b"mar").await);
    assert!(!ask(&mut client, b"ker").await);
}

#[tokio::test]
async fn a_database_url_is_rewritten_to_the_proxy() {
    let proxy = Proxy::to_postgres("postgres://u:p@db.internal:6432/main").await;
    assert_eq!(proxy.target(), "db.internal:6432");
    let port = proxy.address().rsplit(':').next().unwrap().to_owned();
    for (given, parameters) in [
        ("postgres://u:p@db.internal:6432/main", "sslmode=disable"),
        (
            "postgres://u:p@db/main?sslmode=require&application_name=x&host=/run",
            "application_name=x&sslmode=disable",
        ),
    ] {
        let expected = format!("postgres://u:p@127.0.0.1:{port}/main?{parameters}");
        assert_eq!(proxy.url(given), expected);
    }
    let socket = Proxy::to_postgres("postgres:///main?host=/run/postgresql").await;
    assert_eq!(socket.target(), "/run/postgresql/.s.PGSQL.5432");
}

#[tokio::test]
async fn a_blackhole_stops_open_connections_but_serves_new_ones() {
    let (proxy, _server) = answering().await;
    let mut client = connect(&proxy).await;
    assert!(ask(&mut client, b"one").await);
    proxy.blackhole();
    assert!(ask(&mut connect(&proxy).await, b"two").await);
    client.write_all(b"three").await.unwrap();
    let mut answer = [0; 6];
    let silent = timeout(Duration::from_millis(300), client.read(&mut answer)).await;
    assert!(silent.is_err(), "{silent:?}");
}
