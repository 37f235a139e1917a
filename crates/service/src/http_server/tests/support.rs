//! A server, and clients that send bytes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::routing::get;
use axum::{Extension, Router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http_server::limits::Timeouts;
use crate::http_server::{ConnectionMetrics, HttpServer, PeerAddr};
use crate::metrics::Registry;

pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) const SHORT: Timeouts = Timeouts {
    head: Duration::from_millis(600),
    idle: Duration::from_millis(1200),
    stall: Duration::from_millis(600),
    rate_window: Duration::from_millis(600),
    least_in_window: 6 * 1024,
};

/// A running server.
pub(super) struct Server {
    address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) serving: JoinHandle<()>,
    registry: Registry,
}

impl Server {
    pub(super) async fn start(max_connections: usize, timeouts: Timeouts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let registry = Registry::new("test", "0");
        let mut server = HttpServer::new(max_connections, ConnectionMetrics::new(&registry));
        server.timeouts = timeouts;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(listener, routes(), stop.clone()));
        Self {
            address,
            stop,
            serving,
            registry,
        }
    }

    pub(super) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client that has sent these bytes.
    pub(super) async fn client(&self, bytes: impl AsRef<[u8]>) -> Client {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client
    }

    /// Whether a series has this value now.
    pub(super) fn shows(&self, series: &str) -> bool {
        self.registry.text().unwrap().lines().any(|it| it == series)
    }

    /// Waits until a series has this value.
    pub(super) async fn wait_for(&self, series: &str) {
        let begun = Instant::now();
        while !self.shows(series) {
            let text = self.registry.text().unwrap();
            assert!(begun.elapsed() < LONG, "{series} is not in {text}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn routes() -> Router {
    let peer = |Extension(PeerAddr(peer)): Extension<PeerAddr>| async move { peer.to_string() };
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        "slow"
    };
    let endless = || async {
        let chunks =
            std::iter::repeat_with(|| Ok::<_, axum::Error>(Bytes::from_static(&[b'x'; 8192])));
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    Router::new()
        .route("/peer", get(peer))
        .route("/slow", get(slow))
        .route("/endless", get(endless))
}

pub(super) fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

pub(super) struct Client(pub(super) TcpStream);

impl Client {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.ok();
    }

    /// Reads until this text has arrived.
    pub(super) async fn until(&mut self, text: &str) {
        let mut seen = Vec::new();
        let read = async {
            while !String::from_utf8_lossy(&seen).contains(text) {
                assert_ne!(self.0.read_buf(&mut seen).await.unwrap(), 0, "{text}");
            }
        };
        tokio::time::timeout(LONG, read).await.unwrap();
    }

    /// Reads until the server closes the connection. Returns what arrived, and after how long.
    pub(super) async fn closed(&mut self) -> (String, Duration) {
        let begun = Instant::now();
        let mut seen = Vec::new();
        // A reset is an end, too.
        let read = self.0.read_to_end(&mut seen);
        tokio::time::timeout(LONG, read).await.unwrap().ok();
        let text = String::from_utf8_lossy(&seen).into_owned();
        (text, begun.elapsed())
    }
}
