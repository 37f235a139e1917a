//! One connection: TLS's handshake, then HTTP/1.1 requests.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use hyper::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::activity::Activity;
use super::closed::Closed;
use super::limits::{MAX_HEAD, TLS_BUFFER};
use super::open_connections::OpenConnection;
use super::peer::PeerAddr;
use super::supervise::supervise;
use super::watched_stream::WatchedStream;

pub(super) struct Connection {
    open: OpenConnection,
    routes: Router,
    peer: PeerAddr,
}

impl Connection {
    pub(super) fn new(open: OpenConnection, routes: Router, peer: PeerAddr) -> Self {
        Self { open, routes, peer }
    }

    /// Serves it to its end.
    pub(super) async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) -> Closed {
        let Some(tls) = tls else {
            return self.serve(stream).await;
        };
        let mut handshake = pin!(tls.accept(stream));
        match supervise(&self.open, |cx, _| handshake.as_mut().poll(cx)).await {
            Ok(Ok(mut stream)) => {
                stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
                // On the heap: connections without TLS do not pay for its size.
                self.serve(Box::new(stream)).await
            }
            Ok(Err(_)) => Closed::TlsFailed,
            Err(closed) => closed,
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Closed {
        let Self { open, routes, peer } = self;
        let activity = &open.activity;
        let stream = WatchedStream::new(stream, Arc::clone(activity));
        let service = service_fn(|request: Request<Incoming>| {
            let in_progress = InProgress::begin(Arc::clone(activity));
            let mut request = request;
            request.extensions_mut().insert(peer);
            // A router is always ready.
            let response = routes.clone().call(request);
            async {
                let response = response.await?;
                Ok::<_, Infallible>(response.map(|body| ResponseBody { body, in_progress }))
            }
        });
        let mut http = pin!(http().serve_connection(TokioIo::new(stream), service));
        let served = supervise(&open, |cx, is_last_request| {
            if is_last_request {
                http.as_mut().graceful_shutdown();
            }
            http.as_mut().poll(cx)
        });
        served.await.map_or_else(|closed| closed, Closed::from)
    }
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    // hyper's own timeout would also count the time between requests. The supervisor has both.
    http.header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD);
    http
}

/// A request, from the end of its head to the end of its response.
struct InProgress(Arc<Activity>);

impl InProgress {
    fn begin(activity: Arc<Activity>) -> Self {
        activity.begin_request();
        Self(activity)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.complete_response();
    }
}

/// The body of a response, which ends the request when it is dropped.
struct ResponseBody {
    body: Body,
    #[expect(dead_code, reason = "its drop reports the end of the response")]
    in_progress: InProgress,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
