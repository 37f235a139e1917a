//! A server, and clients that send bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use axum::{Extension, Router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http_server::limits::Timeouts;
use crate::http_server::{ConnectionMetrics, HttpServer, LongLived, LongWait, PeerAddr};
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
    waits: Waits,
}

/// What the handlers of `/wait` and `/events` wait for.
#[derive(Clone, Default)]
struct Waits {
    waiters: Arc<AtomicUsize>,
    released: Arc<Notify>,
}

impl Waits {
    async fn wait(self) {
        struct Leave(Arc<AtomicUsize>);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        let released = self.released.notified();
        self.waiters.fetch_add(1, Relaxed);
        let _leave = Leave(Arc::clone(&self.waiters));
        released.await;
    }
}

impl Server {
    pub(super) async fn start(max_connections: usize, timeouts: Timeouts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let registry = Registry::new("test", "0");
        let mut server = HttpServer::new(max_connections, ConnectionMetrics::new(&registry));
        server.timeouts = timeouts;
        let stop = CancellationToken::new();
        let waits = Waits::default();
        let serving = tokio::spawn(server.serve(listener, routes(&waits), stop.clone()));
        Self {
            address,
            stop,
            serving,
            registry,
            waits,
        }
    }

    /// Waits until so many handlers wait.
    pub(super) async fn waiting(&self, count: usize) {
        let begun = Instant::now();
        while self.waits.waiters.load(Relaxed) != count {
            assert!(begun.elapsed() < LONG, "{:?} wait", self.waits.waiters);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends all waits.
    pub(super) fn release(&self) {
        self.waits.released.notify_waiters();
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

fn routes(waits: &Waits) -> Router {
    let peer =
        |Extension(PeerAddr(peer)): Extension<PeerAddr>| async move { format!("{peer} done") };
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        "slow"
    };
    let endless = || async {
        let chunks =
            std::iter::repeat_with(|| Ok::<_, axum::Error>(Bytes::from_static(&[b'x'; 8192])));
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    let wait = |Extension(waits): Extension<Waits>, long_wait: LongWait, body: String| async move {
        long_wait.begin();
        waits.wait().await;
        format!("{body} waited")
    };
    let events = |Extension(waits): Extension<Waits>| async move {
        let pieces = async move {
            waits.wait().await;
            let pieces = ["one", "", "three"].map(|it| Ok::<_, axum::Error>(Bytes::from(it)));
            futures_util::stream::iter(pieces)
        };
        let body = Body::from_stream(futures_util::FutureExt::flatten_stream(pieces));
        let headers = [(CONTENT_TYPE, "text/event-stream")];
        (Extension(LongLived), headers, body).into_response()
    };
    let endless_events = move || async move { (Extension(LongLived), endless().await) };
    Router::new()
        .route("/wait", any(wait))
        .route("/events", get(events))
        .route("/endless-events", get(endless_events))
        .layer(Extension(waits.clone()))
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

    /// Reads until this text has arrived. Returns what arrived.
    pub(super) async fn until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        let read = async {
            while !String::from_utf8_lossy(&seen).contains(text) {
                assert_ne!(self.0.read_buf(&mut seen).await.unwrap(), 0, "{text}");
            }
        };
        tokio::time::timeout(LONG, read).await.unwrap();
        String::from_utf8_lossy(&seen).into_owned()
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
