//! A server with its limits.

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::AcceptLoop;
use super::limits::Timeouts;
use super::metrics::ConnectionMetrics;
use super::once_a_minute::OnceAMinute;
use super::open_connections::OpenConnections;
use super::slots::Slots;
use super::tls::Tls;

/// A server for one listener.
#[derive(Debug)]
pub struct HttpServer {
    max_connections: usize,
    metrics: ConnectionMetrics,
    tls: Option<Tls>,
    pub(super) timeouts: Timeouts,
}

impl HttpServer {
    /// A server for consumers, with at most so many open connections at a time.
    #[must_use]
    pub fn new(max_connections: usize, metrics: ConnectionMetrics) -> Self {
        Self {
            max_connections,
            metrics,
            tls: None,
            timeouts: Timeouts::default(),
        }
    }

    /// A server for probes and scrapes: a few clients of the operator, whose connections are not measured.
    #[must_use]
    pub fn internal() -> Self {
        const MAX_CONNECTIONS: usize = 64;
        Self::new(MAX_CONNECTIONS, ConnectionMetrics::unregistered())
    }

    /// Serves HTTPS instead of HTTP.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls;
        self
    }

    /// Accepts connections until `stop`. Then it closes the listener and every connection without a request, and returns when
    /// all requests whose head had arrived are answered.
    pub async fn serve(self, listener: TcpListener, routes: Router, stop: CancellationToken) {
        let metrics = Arc::new(self.metrics);
        let max = i64::try_from(self.max_connections).unwrap_or(i64::MAX);
        metrics.max.set(max);
        let tls = self.tls.map(|tls| {
            let acceptor = tls.acceptor();
            tokio::spawn(stop.clone().run_until_cancelled_owned(tls.reload()));
            acceptor
        });
        let open = OpenConnections::new(self.timeouts);
        let tasks = TaskTracker::new();
        let accepting = AcceptLoop {
            listener,
            // Prepares the routes once instead of for each request.
            routes: routes.with_state(()),
            tls,
            slots: Slots::new(self.max_connections),
            open: Arc::clone(&open),
            metrics,
            tasks: tasks.clone(),
            failures: OnceAMinute::default(),
        };
        accepting.run(stop).await;
        open.stop();
        tasks.close();
        tasks.wait().await;
    }
}
