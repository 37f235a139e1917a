//! The request in progress of a connection. hyper asks for its response, but it is not inside of hyper, so it can go on without.
//!
//! hyper has two buffers of 8 KiB for each connection, also while a response is awaited or an event stream has nothing to send. So
//! a request whose response takes long leaves hyper: see `connection`.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Method, Uri, Version};
use axum::response::Response;
use axum::routing::future::RouteFuture;
use hyper::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tower::Service;

use super::activity::Activity;
use super::long_lived::{LongLived, LongWait};
use super::peer::PeerAddr;

/// The service that hyper calls.
#[derive(Clone)]
pub(super) struct Exchanges {
    routes: Router,
    peer: PeerAddr,
    activity: Arc<Activity>,
    long_wait: LongWait,
    is_body_read: Arc<AtomicBool>,
    current: Arc<Mutex<Current>>,
}

enum Current {
    /// No request, or hyper has its response.
    None,
    Awaited(Awaited),
    Streamed(Streamed),
    /// hyper takes it next.
    Answered(Answer),
}

/// A response for hyper.
pub(super) type Answer = Response<ResponseBody>;

/// A request without a response.
pub(super) struct Awaited {
    response: Pin<Box<RouteFuture<Infallible>>>,
    pub(super) head: Head,
    in_progress: InProgress,
}

/// A response whose body goes on for long.
pub(super) struct Streamed {
    pub(super) response: Response,
    pub(super) head: Head,
    pub(super) in_progress: InProgress,
}

/// A request that has left hyper.
pub(super) enum Left {
    Awaited(Awaited),
    Streamed(Streamed),
}

/// What decides, of the head of a request, how its response is written.
#[derive(Debug)]
pub(super) struct Head {
    has_no_body: bool,
    version: Version,
    connection: Option<HeaderValue>,
}

impl Exchanges {
    pub(super) fn new(routes: Router, peer: PeerAddr, activity: Arc<Activity>) -> Self {
        Self {
            routes,
            peer,
            activity,
            long_wait: LongWait::default(),
            is_body_read: Arc::default(),
            current: Arc::new(Mutex::new(Current::None)),
        }
    }

    /// The request in progress, if it can go on without hyper and is likely to take long. hyper must not hold any bytes for the
    /// client.
    pub(super) fn leave(&self) -> Option<Left> {
        if !self.activity.is_flushed() {
            return None;
        }
        let mut current = lock(&self.current);
        match mem::replace(&mut *current, Current::None) {
            Current::Awaited(awaited)
                if self.long_wait.has_begun() && self.is_body_read.load(Relaxed) =>
            {
                Some(Left::Awaited(awaited))
            }
            Current::Streamed(mut streamed) => {
                // The rest of the body would be taken for the next request.
                if !self.is_body_read.load(Relaxed) {
                    streamed.head.connection = Some(HeaderValue::from_static("close"));
                }
                Some(Left::Streamed(streamed))
            }
            other => {
                *current = other;
                None
            }
        }
    }

    /// The response of the next request that hyper reads.
    pub(super) fn answer_next(&self, answer: Answer) {
        *lock(&self.current) = Current::Answered(answer);
    }
}

impl hyper::service::Service<Request<Incoming>> for Exchanges {
    type Response = Answer;
    type Error = Infallible;
    type Future = Asked;

    fn call(&self, request: Request<Incoming>) -> Asked {
        let mut current = lock(&self.current);
        if !matches!(*current, Current::Answered(_)) {
            let in_progress = InProgress::begin(Arc::clone(&self.activity));
            let is_empty = request.body().is_end_stream();
            self.is_body_read.store(is_empty, Relaxed);
            self.long_wait.reset();
            let mut request = detached(request);
            let head = Head::of(&request);
            let extensions = request.extensions_mut();
            extensions.insert(self.peer);
            extensions.insert(self.long_wait.clone());
            let request = request.map(|body| RequestBody {
                body,
                is_read: Arc::clone(&self.is_body_read),
            });
            // A router is always ready.
            let response = Box::pin(self.routes.clone().call(request));
            *current = Current::Awaited(Awaited {
                response,
                head,
                in_progress,
            });
        }
        Asked(Arc::clone(&self.current))
    }
}

/// What hyper polls until it has a response.
pub(super) struct Asked(Arc<Mutex<Current>>);

impl Future for Asked {
    type Output = Result<Answer, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut current = lock(&self.0);
        let (next, polled) = match mem::replace(&mut *current, Current::None) {
            Current::Answered(answer) => (Current::None, Poll::Ready(Ok(answer))),
            Current::Awaited(mut awaited) => match awaited.poll_response(cx) {
                Poll::Pending => (Current::Awaited(awaited), Poll::Pending),
                Poll::Ready(response) if awaited.head.allows_stream(&response) => {
                    (Current::Streamed(awaited.streams(response)), Poll::Pending)
                }
                Poll::Ready(response) => (Current::None, Poll::Ready(Ok(awaited.answer(response)))),
            },
            other => (other, Poll::Pending),
        };
        *current = next;
        polled
    }
}

impl Awaited {
    pub(super) fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        self.response
            .as_mut()
            .poll(cx)
            .map(|response| response.unwrap_or_else(|never| match never {}))
    }

    pub(super) fn answer(self, response: Response) -> Answer {
        let in_progress = self.in_progress;
        response.map(|body| ResponseBody { body, in_progress })
    }

    fn streams(self, response: Response) -> Streamed {
        Streamed {
            response,
            head: self.head,
            in_progress: self.in_progress,
        }
    }
}

impl Head {
    fn of(request: &Request<Incoming>) -> Self {
        Self {
            has_no_body: request.method() == Method::HEAD,
            version: request.version(),
            connection: request.headers().get(CONNECTION).cloned(),
        }
    }

    /// The head of a request whose response has the same form, but for the end of the connection if that `closes` anyway.
    pub(super) fn of_same_form(&self, closes: bool) -> Vec<u8> {
        let method = if self.has_no_body { "HEAD" } else { "GET" };
        let mut head = format!("{method} / {:?}\r\n", self.version).into_bytes();
        let close = HeaderValue::from_static("close");
        let connection = closes.then_some(&close).or(self.connection.as_ref());
        if let Some(connection) = connection {
            head.extend_from_slice(b"connection: ");
            head.extend_from_slice(connection.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn allows_stream(&self, response: &Response) -> bool {
        response.extensions().get::<LongLived>().is_some()
            && self.version == Version::HTTP_11
            && !self.has_no_body
    }

    /// Whether the client wants the connection closed after the response.
    pub(super) fn closes(&self) -> bool {
        let connection = self.connection.as_ref();
        let connection = connection.and_then(|value| value.to_str().ok());
        let mut options = connection.unwrap_or_default().split(',');
        options.any(|option| option.trim().eq_ignore_ascii_case("close"))
    }
}

/// The same request with a small buffer of its own. The texts of a head are slices of hyper's buffer, and would keep all of that
/// as long as the request lasts.
fn detached<B>(mut request: Request<B>) -> Request<B> {
    let uri = request.uri().to_string();
    let length: usize = request.headers().values().map(HeaderValue::len).sum();
    let mut texts = Vec::with_capacity(uri.len() + length);
    texts.extend_from_slice(uri.as_bytes());
    for value in request.headers().values() {
        texts.extend_from_slice(value.as_bytes());
    }
    let mut texts = Bytes::from(texts);
    if let Ok(uri) = Uri::from_maybe_shared(texts.split_to(uri.len())) {
        *request.uri_mut() = uri;
    }
    for value in request.headers_mut().values_mut() {
        let is_sensitive = value.is_sensitive();
        if let Ok(copy) = HeaderValue::from_maybe_shared(texts.split_to(value.len())) {
            *value = copy;
            value.set_sensitive(is_sensitive);
        }
    }
    request
}

fn lock(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request, from the end of its head to the end of its response.
pub(super) struct InProgress(Arc<Activity>);

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

/// The body of a request, which tells when hyper has read all of it.
struct RequestBody {
    body: Incoming,
    is_read: Arc<AtomicBool>,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_read.store(true, Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response, which ends the request when it is dropped.
pub(super) struct ResponseBody {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_same_without_the_buffer_of_hyper() {
        let request = || {
            let request = Request::get("/v1/exports/1?wait=30&x=%C3%A9").header("x-a", "b");
            let request = request.header("x-a", HeaderValue::from_bytes(b"\xe9").unwrap());
            request.header("x-empty", "").body(()).unwrap()
        };
        let detached = detached(request());
        assert_eq!(detached.uri(), request().uri());
        assert_eq!(detached.headers(), request().headers());
        for uri in ["*", "http://example.com/a?b"] {
            let request = Request::options(uri).body(()).unwrap();
            assert_eq!(super::detached(request).uri(), uri);
        }
    }
}
