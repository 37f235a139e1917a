//! Ends a request that makes no progress: neither side has sent a byte for some time.
//!
//! A timeout of the whole request must be long, because a part takes minutes over a slow line. A store
//! that has become silent is noticed much earlier by its progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::Method;
use http_body_util::BodyExt;
use object_store::client::{
    HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
};
use tokio::time::{Instant, timeout};

use super::request::has_parameter;
use crate::upload::PART_SIZE;

/// A body is sent in chunks of this size. A chunk counts as soon as the connection takes it.
const CHUNK: usize = 256 * 1024;
/// How often progress is looked at, as a part of the limit.
const TICKS: u32 = 8;

/// The store has become silent.
#[derive(Debug, thiserror::Error)]
#[error("no byte was sent or received for {0:?}")]
struct Stalled(Duration);

/// The number of bytes of a body that the connection has taken. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent(Arc<AtomicU64>);

/// Sends a request and counts the bytes of its body that are sent. Nothing is copied.
///
/// Like `object_store`, except that the body is sent in chunks of [`CHUNK`].
pub(super) async fn send(
    client: &reqwest::Client,
    request: &HttpRequest,
    timeout: Option<Duration>,
    sent: &Sent,
) -> Result<HttpResponse, HttpError> {
    let length = request.body().content_length() as u64;
    let (head, body) = request.clone().into_parts();
    let url = head.uri.to_string().parse();
    let url =
        url.map_err(|error: url::ParseError| HttpError::new(HttpErrorKind::Unknown, error))?;
    let mut request = reqwest::Request::new(head.method, url);
    *request.headers_mut() = head.headers;
    *request.timeout_mut() = timeout.map(|timeout| time_limit(timeout, length));
    *request.body_mut() = Some(reqwest::Body::wrap_stream(chunks(body, sent.clone())));
    let response = client.execute(request).await.map_err(failed)?;
    let (head, body) = http::Response::<reqwest::Body>::from(response).into_parts();
    let body = HttpResponseBody::new(body.map_err(failed));
    Ok(HttpResponse::from_parts(head, body))
}

/// The limit for a whole request: `timeout` is for a part of [`PART_SIZE`], and a longer part takes longer.
fn time_limit(timeout: Duration, length: u64) -> Duration {
    let parts = length.div_ceil(PART_SIZE as u64).max(1);
    timeout.saturating_mul(u32::try_from(parts).unwrap_or(u32::MAX))
}

fn chunks(body: HttpRequestBody, sent: Sent) -> impl Stream<Item = Result<Bytes, HttpError>> {
    // The whole body is in memory, so nothing waits.
    body.into_data_stream().flat_map(move |frame| {
        let sent = sent.clone();
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return stream::iter(vec![Err(error)]).left_stream(),
        };
        let offsets = (0..frame.len()).step_by(CHUNK);
        let chunks = offsets.map(move |start| {
            let chunk = frame.slice(start..frame.len().min(start + CHUNK));
            sent.0.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            Ok(chunk)
        });
        stream::iter(chunks).right_stream()
    })
}

fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Request
    };
    HttpError::new(kind, error.without_url())
}

/// Waits for the start of a response, or for its next bytes. Fails if nothing was sent or received within
/// the limit.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    sent: &Sent,
    response: impl Future<Output = Result<T, HttpError>>,
) -> Result<T, HttpError> {
    let Some(limit) = limit else {
        return response.await;
    };
    let mut response = std::pin::pin!(response);
    let (mut known, mut since) = (sent.count(), Instant::now());
    loop {
        if let Ok(response) = timeout(limit / TICKS, &mut response).await {
            return response;
        }
        let count = sent.count();
        if count != known {
            (known, since) = (count, Instant::now());
        } else if since.elapsed() >= limit {
            return Err(HttpError::new(HttpErrorKind::Timeout, Stalled(limit)));
        }
    }
}

impl Sent {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether the store assembles a file before it responds, which may take minutes without a byte: the
/// completion of a multipart upload (S3, GCS) or of a block list (Azure).
pub(super) fn is_completion(request: &HttpRequest) -> bool {
    match *request.method() {
        Method::POST => has_parameter(request, "uploadId"),
        Method::PUT => {
            let query = request.uri().query().unwrap_or_default();
            query.split('&').any(|pair| pair == "comp=blocklist")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use object_store::PutPayload;
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(80);

    fn request(payload: PutPayload) -> HttpRequest {
        let mut request = HttpRequest::new(HttpRequestBody::from(payload));
        *request.method_mut() = Method::PUT;
        request
    }

    #[tokio::test]
    async fn a_body_is_counted_chunk_by_chunk_while_it_is_sent() {
        let bytes: Vec<u8> = (0..CHUNK * 2 + 10).map(|n| n.to_le_bytes()[0]).collect();
        let pieces = [bytes[..5].to_vec(), bytes[5..].to_vec()];
        let payload: PutPayload = pieces.into_iter().map(Bytes::from).collect();
        let sent = Sent::default();
        let mut chunks = std::pin::pin!(chunks(HttpRequestBody::from(payload), sent.clone()));
        assert_eq!(sent.count(), 0);
        let (mut found, mut count) = (Vec::new(), 0);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.unwrap();
            assert!(chunk.len() <= CHUNK);
            found.extend_from_slice(&chunk);
            count += 1;
            assert_eq!(sent.count(), found.len() as u64);
        }
        assert!(found == bytes);
        assert_eq!(count, 4);
    }

    #[test]
    fn a_longer_part_may_take_longer() {
        let second = Duration::from_secs(1);
        for (length, expected) in [
            (0, 1),
            (PART_SIZE as u64, 1),
            (PART_SIZE as u64 + 1, 2),
            (4 * PART_SIZE as u64, 4),
        ] {
            assert_eq!(time_limit(second, length), second * expected, "{length}");
        }
    }

    #[tokio::test]
    async fn a_request_without_progress_is_a_timeout_that_is_retried() {
        let sent = Sent::default();
        let silent = within(Some(LIMIT), &sent, pending::<Result<(), _>>());
        let error = timeout(LIMIT * 20, silent).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Timeout);
        assert!(error.to_string().contains("no byte was sent or received"));
    }

    #[tokio::test]
    async fn a_slow_request_with_progress_is_awaited() {
        let sent = Sent::default();
        let slow = async {
            for _ in 0..12 {
                sleep(LIMIT / 4).await;
                sent.0.fetch_add(1, Ordering::Relaxed);
            }
            Ok(7)
        };
        assert_eq!(within(Some(LIMIT), &sent, slow).await.unwrap(), 7);
        let unlimited = within(None, &sent, ready(Ok(8)));
        assert_eq!(unlimited.await.unwrap(), 8);
    }

    #[test]
    fn a_completion_may_take_long_without_a_byte() {
        let of = |method: Method, uri: &str| {
            let mut request = request(PutPayload::default());
            *request.method_mut() = method;
            *request.uri_mut() = uri.parse().unwrap();
            is_completion(&request)
        };
        assert!(of(Method::POST, "http://s/b/k?uploadId=1"));
        assert!(of(Method::PUT, "http://s/b/k?comp=blocklist"));
        assert!(!of(Method::POST, "http://s/b/k?uploads"));
        assert!(!of(Method::PUT, "http://s/b/k?partNumber=1&uploadId=1"));
        assert!(!of(Method::PUT, "http://s/b/k?comp=block&blockid=1"));
    }
}
