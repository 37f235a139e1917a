//! The response of an event stream (server-sent events).
//!
//! The stream is polled only when the connection can take more, so a client that does not read holds at most what the
//! buffers of its connection hold, until the server closes the connection.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use exports_service::http_server::LongLived;
use futures_util::stream;
use tokio::time::{Instant, Interval, interval_at};

/// The comments show that the connection is alive.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The source of the events of one stream.
pub(crate) trait Events: Send + 'static {
    /// The next bytes; `None` at the end. It is cancelled when a comment is due.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

struct Stream<E> {
    events: E,
    comments: Interval,
}

impl<E: Events> Stream<E> {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let bytes = tokio::select! {
            biased;
            event = self.events.next() => event?,
            _ = self.comments.tick() => COMMENT,
        };
        Some((Ok(bytes), self))
    }
}

/// The response with these events.
pub(crate) fn response(events: impl Events) -> Response {
    let comments = interval_at(Instant::now() + COMMENT_INTERVAL, COMMENT_INTERVAL);
    let stream = stream::unfold(Stream { events, comments }, Stream::next);
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // nginx would collect the events before it passes them on.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let body = Body::from_stream(stream);
    (Extension(LongLived), headers, body).into_response()
}

/// The id of the last event that the client has received. A malformed one is that of no event.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    Some(value.trim().to_owned())
}
