//! One connection: TLS's handshake, then HTTP/1.1 requests.
//!
//! hyper reads requests and writes responses. A request whose response takes long leaves hyper and its buffers: its handler is
//! polled here, and then hyper goes on with the response as if it were that of a request that has just arrived. A response that
//! goes on for long is written by a [`StreamWriter`].

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::closed::Closed;
use super::exchange::{Awaited, Exchanges, Left, Streamed};
use super::limits::{MAX_HEAD, TLS_BUFFER};
use super::open_connections::OpenConnection;
use super::peer::PeerAddr;
use super::rewound::Rewound;
use super::stream_writer::StreamWriter;
use super::supervise::supervise;
use super::watched_stream::WatchedStream;

pub(super) struct Connection {
    open: OpenConnection,
    exchanges: Exchanges,
}

impl Connection {
    pub(super) fn new(open: OpenConnection, routes: Router, peer: PeerAddr) -> Self {
        let exchanges = Exchanges::new(routes, peer, Arc::clone(&open.activity));
        Self { open, exchanges }
    }

    /// Serves it to its end.
    pub(super) async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) -> Closed {
        match tls {
            None => self.serve(stream).await,
            // On the heap: connections without TLS do not pay for its size.
            Some(tls) => Box::pin(self.serve_tls(stream, tls)).await,
        }
    }

    async fn serve_tls(self, stream: TcpStream, tls: TlsAcceptor) -> Closed {
        let mut handshake = pin!(tls.accept(stream));
        match supervise(&self.open, |cx, _| handshake.as_mut().poll(cx)).await {
            Ok(Ok(mut stream)) => {
                stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
                self.serve(stream).await
            }
            Ok(Err(_)) => Closed::TlsFailed,
            Err(closed) => closed,
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Closed {
        let stream = WatchedStream::new(stream, Arc::clone(&self.open.activity));
        let mut stream = Rewound::new(stream);
        loop {
            let (left, mut rest) = match self.serve_with_hyper(stream).await {
                Ok(left) => left,
                Err(closed) => return closed,
            };
            let continued = match left {
                Left::Awaited(awaited) => self.wait(awaited, &mut rest).await,
                Left::Streamed(streamed) => self.write(streamed, &mut rest).await,
            };
            if let Err(closed) = continued {
                return closed;
            }
            stream = rest;
        }
    }

    /// Serves requests until the connection is closed, or until a request leaves hyper.
    async fn serve_with_hyper<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: Rewound<S>,
    ) -> Result<(Left, Rewound<S>), Closed> {
        // On the heap: it is much larger than what a request needs that has left.
        let mut http =
            Box::new(http().serve_connection(TokioIo::new(stream), self.exchanges.clone()));
        // Before it has read the request whose response is there, hyper would take a shutdown for the end of the connection.
        let mut has_read = false;
        let left = supervise(&self.open, |cx, is_last_request| {
            let mut http = Pin::new(&mut *http);
            if is_last_request && has_read {
                http.as_mut().graceful_shutdown();
            }
            has_read = true;
            match http.poll(cx) {
                Poll::Ready(served) => Poll::Ready(Err(Closed::from(served))),
                Poll::Pending => match self.exchanges.leave() {
                    Some(left) => Poll::Ready(Ok(left)),
                    None => Poll::Pending,
                },
            }
        });
        let left = left.await??;
        let parts = http.into_parts();
        let mut stream = parts.io.into_inner();
        stream.put_back(&parts.read_buf);
        Ok((left, stream))
    }

    /// Waits for a response, and leaves it to hyper.
    async fn wait<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut awaited: Awaited,
        stream: &mut Rewound<S>,
    ) -> Result<(), Closed> {
        let response = supervise(&self.open, |cx, _| {
            if let Poll::Ready(response) = awaited.poll_response(cx) {
                return Poll::Ready(Ok(response));
            }
            stream.poll_closed(cx).map(|()| Err(Closed::Broken))
        });
        let response = response.await??;
        let head = awaited.head.of_same_form(self.open.all.is_stopping());
        stream.put_back(&head);
        self.exchanges.answer_next(awaited.answer(response));
        Ok(())
    }

    /// Writes a response that goes on for long.
    async fn write<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        streamed: Streamed,
        stream: &mut Rewound<S>,
    ) -> Result<(), Closed> {
        let closes = streamed.head.closes() || self.open.all.is_stopping();
        let mut writer = StreamWriter::new(streamed, closes);
        supervise(&self.open, |cx, _| writer.poll(cx, stream)).await??;
        if !closes {
            return Ok(());
        }
        let shut_down = supervise(&self.open, |cx, _| Pin::new(&mut *stream).poll_shutdown(cx));
        match shut_down.await? {
            Ok(()) => Err(Closed::Finished),
            Err(_) => Err(Closed::Broken),
        }
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
