//! Writes a response that goes on for long, in chunked encoding. Between two pieces it holds no buffer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, DATE, TRANSFER_ENCODING};
use axum::http::response::Parts;
use bytes::{Buf, BufMut, BytesMut};
use hyper::body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::closed::Closed;
use super::exchange::{InProgress, Streamed};
use super::rewound::Rewound;

pub(super) struct StreamWriter {
    /// What is not written yet.
    unwritten: BytesMut,
    body: Body,
    /// `None` once the body has ended.
    in_progress: Option<InProgress>,
}

impl StreamWriter {
    /// `closes`: the connection is closed after the response.
    pub(super) fn new(streamed: Streamed, closes: bool) -> Self {
        let (head, body) = streamed.response.into_parts();
        Self {
            unwritten: encoded(&head, closes),
            body,
            in_progress: Some(streamed.in_progress),
        }
    }

    /// Ready when all of the response is written.
    pub(super) fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Rewound<S>,
    ) -> Poll<Result<(), Closed>> {
        if let Poll::Ready(written) = self.poll_write(cx, stream) {
            return Poll::Ready(written);
        }
        stream.poll_closed(cx).map(|()| Err(Closed::Broken))
    }

    fn poll_write<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Rewound<S>,
    ) -> Poll<Result<(), Closed>> {
        loop {
            while self.unwritten.has_remaining() {
                match ready!(Pin::new(&mut *stream).poll_write(cx, &self.unwritten)) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(Closed::Broken)),
                    Ok(written) => self.unwritten.advance(written),
                }
            }
            self.unwritten = BytesMut::new();
            if ready!(Pin::new(&mut *stream).poll_flush(cx)).is_err() {
                return Poll::Ready(Err(Closed::Broken));
            }
            if self.in_progress.is_none() {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && data.has_remaining()
                    {
                        self.unwritten = chunk(&data);
                    }
                }
                Some(Err(_)) => return Poll::Ready(Err(Closed::Broken)),
                None => {
                    self.unwritten.put_slice(b"0\r\n\r\n");
                    // Before the flush, which then ends the request.
                    self.in_progress = None;
                }
            }
        }
    }
}

fn chunk(data: &Bytes) -> BytesMut {
    let size = format!("{:x}\r\n", data.len());
    let mut chunk = BytesMut::with_capacity(size.len() + data.len() + 2);
    chunk.put_slice(size.as_bytes());
    chunk.put_slice(data);
    chunk.put_slice(b"\r\n");
    chunk
}

/// The head, with the headers that hyper would add.
fn encoded(head: &Parts, closes: bool) -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.put_slice(format!("HTTP/1.1 {}\r\n", head.status).as_bytes());
    for (name, value) in &head.headers {
        if name == CONNECTION || name == TRANSFER_ENCODING {
            continue;
        }
        bytes.put_slice(name.as_str().as_bytes());
        bytes.put_slice(b": ");
        bytes.put_slice(value.as_bytes());
        bytes.put_slice(b"\r\n");
    }
    bytes.put_slice(b"transfer-encoding: chunked\r\n");
    if closes {
        bytes.put_slice(b"connection: close\r\n");
    }
    if !head.headers.contains_key(DATE) {
        let date = httpdate::fmt_http_date(SystemTime::now());
        bytes.put_slice(format!("date: {date}\r\n").as_bytes());
    }
    bytes.put_slice(b"\r\n");
    bytes
}
