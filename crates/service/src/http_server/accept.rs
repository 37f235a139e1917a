//! The accept loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use nix::errno::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::metrics::{AcceptFailure, ConnectionMetrics};
use super::once_a_minute::OnceAMinute;
use super::open_connections::OpenConnections;
use super::peer::PeerAddr;
use super::slots::Slots;
use super::socket;

/// The pause after a failed accept. The connection stays in the backlog, so the next accept would fail at once.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct AcceptLoop {
    pub(super) listener: TcpListener,
    pub(super) routes: Router,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) slots: Slots,
    pub(super) open: Arc<OpenConnections>,
    pub(super) metrics: Arc<ConnectionMetrics>,
    pub(super) tasks: TaskTracker,
    pub(super) failures: OnceAMinute,
}

impl AcceptLoop {
    /// Accepts connections until `stop`. Then closes the listener.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, peer)) => self.accepted(stream, PeerAddr(peer)).await,
                    Err(error) => self.failed(&error).await,
                }
            }
        })
        .await;
    }

    /// Waits for a slot with the connection at hand. So connections make room only if another one is there.
    async fn accepted(&mut self, stream: TcpStream, peer: PeerAddr) {
        let slot = self.slots.acquire(&self.open, &self.metrics).await;
        socket::prepare(&stream);
        let connection = Connection::new(self.open.enter(), self.routes.clone(), peer);
        let (metrics, tls) = (Arc::clone(&self.metrics), self.tls.clone());
        metrics.open.inc();
        self.tasks.spawn(async move {
            let closed = connection.run(stream, tls).await;
            metrics.open.dec();
            metrics.closed.inc(closed);
            drop(slot);
        });
    }

    async fn failed(&mut self, error: &io::Error) {
        if is_of_the_client(error) {
            return;
        }
        if !is_out_of_descriptors(error) {
            self.metrics.accept_failures.inc(AcceptFailure::Other);
            if let Some(failures) = self.failures.event() {
                tracing::error!(%error, failures, "connections cannot be accepted");
            }
            return tokio::time::sleep(PAUSE).await;
        }
        self.metrics.accept_failures.inc(AcceptFailure::Descriptors);
        if let Some(failures) = self.failures.event() {
            tracing::error!(
                %error,
                failures,
                "no free file descriptor: new connections wait; raise the limit of open files (ulimit -n) or lower \
                 EXPORTS_MAX_CONNECTIONS"
            );
        }
        self.slots.make_room(&self.open);
        tokio::time::sleep(PAUSE).await;
    }
}

/// The client was gone before its connection was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(
        code,
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
    )
}
