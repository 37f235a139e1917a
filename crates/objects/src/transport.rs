//! The HTTP transport below the client of every bucket: sends requests, follows redirects, reads responses and retries.
//!
//! The retry loop of `object_store` is switched off: it knows fewer retryable responses, and it drops the body of a redirect.
//! Every request of this crate may be repeated: keys are never reused, and [`crate::upload`] handles a repeated completion.

mod backoff;
mod client;
pub(crate) mod connection_error;
mod error_codes;
pub(crate) mod error_response;
mod progress;
mod redirect;
mod region;
mod request;
mod request_error;
mod success;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::response::Parts;
use http::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use tokio::time::Instant;

use connection_error::ConnectionError;
use error_response::ErrorResponse;
use progress::{Sent, is_completion, within};
use request_error::RequestError;

pub(crate) use client::InvalidOption;
pub(crate) use redirect::Signer;

/// The maximum number of addresses for one request.
const MAX_HOPS: usize = 4;

/// The clouds' metadata services. `object_store` asks them for credentials when the environment variables contain none.
const METADATA_HOSTS: [&str; 3] = [
    "169.254.169.254",
    "169.254.170.2",
    "metadata.google.internal",
];

/// The limits of the retries of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryLimits {
    pub(crate) count: usize,
    /// No retry starts later than this after the first request.
    pub(crate) window: Duration,
}

/// Creates the transports of one client.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) retries: RetryLimits,
    /// Trusted certificates in addition to those of the system.
    pub(crate) roots: Vec<reqwest::Certificate>,
    pub(crate) signer: Arc<Signer>,
    /// A metadata service in addition to the usual addresses.
    pub(crate) metadata_host: Option<String>,
    /// Whether `object_store` may fall back to version 1 of the metadata service.
    pub(crate) allows_metadata_v1: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let uploads = client::build(options, &self.roots)?;
        Ok(HttpClient::new(Transport {
            client: HttpClient::new(uploads.clone()),
            uploads,
            stall_limit: client::stall_limit(options)?,
            timeout: client::timeout(options)?,
            settings: self.clone(),
        }))
    }
}

struct Transport {
    client: HttpClient,
    /// The same client, for bodies whose progress is counted.
    uploads: reqwest::Client,
    /// A request without progress for this time is ended and retried.
    stall_limit: Option<Duration>,
    /// The limit for a whole request, see `progress`.
    timeout: Option<Duration>,
    settings: Connector,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

enum Body {
    Complete(Bytes),
    /// The content of a file. Its reader resumes after a connection error.
    File(HttpResponseBody),
}

/// All other responses are small: a list has at most 1,000 entries.
fn reads_file(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.method() == Method::GET && !query.contains("list-type=") && !query.contains("comp=list")
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let started = Instant::now();
        let limits = self.settings.retries;
        let mut retries = 0;
        loop {
            let error = match self.send(&request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let delay = backoff::delay(retries).max(error.requested_delay());
            let is_late = started.elapsed() + delay > limits.window;
            if !error.is_retryable() || retries >= limits.count || is_late {
                return self.give_up(&request, error);
            }
            retries += 1;
            tracing::info!(
                pause_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                repeated = retries,
                "retrying a request to the object store: {error}"
            );
            tokio::time::sleep(delay).await;
        }
    }
}

impl Transport {
    /// Sends the request once, and follows redirects.
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, RequestError> {
        let signer = &self.settings.signer;
        let mut request = request.clone();
        let mut hops = 1;
        loop {
            let (head, body) = self.exchange(&request).await?;
            let body = match body {
                Body::Complete(body) => body,
                Body::File(body) => return Ok(HttpResponse::from_parts(head, body)),
            };
            let target = redirect::target(&request, &head, signer.region());
            let redirected = match target.filter(|_| hops < MAX_HOPS) {
                Some(target) => signer.redirect(&request, &target).await,
                None => None,
            };
            match redirected {
                Some(redirected) => request = redirected,
                None => return self.check(&request, head, body),
            }
            hops += 1;
        }
    }

    async fn exchange(&self, request: &HttpRequest) -> Result<(Parts, Body), RequestError> {
        let failed = |error: HttpError| {
            let kind = error.kind();
            RequestError::Connection(ConnectionError::new(request, error), kind)
        };
        let sent = Sent::default();
        let limit = self.stall_limit.filter(|_| !is_completion(request));
        let response = async {
            // A body of one piece is small: it is that of a POST.
            if request.body().as_bytes().is_some() {
                self.client.execute(request.clone()).await
            } else {
                progress::send(&self.uploads, request, self.timeout, &sent).await
            }
        };
        let response = within(limit, &sent, response).await.map_err(failed)?;
        let (head, body) = response.into_parts();
        if head.status.is_success() && reads_file(request) {
            return Ok((head, Body::File(body)));
        }
        let mut complete = BytesMut::new();
        let mut chunks = body.bytes_stream();
        let mut next = async || {
            within(limit, &sent, chunks.try_next())
                .await
                .map_err(failed)
        };
        while let Some(chunk) = next().await? {
            complete.extend_from_slice(&chunk);
        }
        Ok((head, Body::Complete(complete.freeze())))
    }

    fn check(
        &self,
        request: &HttpRequest,
        head: Parts,
        body: Bytes,
    ) -> Result<HttpResponse, RequestError> {
        match ErrorResponse::parse(request, &head, &body, self.settings.signer.region()) {
            None => Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body))),
            Some(response) => Err(RequestError::Response(Box::new(response))),
        }
    }

    fn give_up(
        &self,
        request: &HttpRequest,
        error: RequestError,
    ) -> Result<HttpResponse, HttpError> {
        let host = request::host(request.uri());
        let is_metadata = METADATA_HOSTS.contains(&host.as_str())
            || self.settings.metadata_host.as_ref() == Some(&host);
        match error {
            // `object_store` falls back to version 1 after this status.
            RequestError::Response(response)
                if is_metadata
                    && self.settings.allows_metadata_v1
                    && response.status == StatusCode::FORBIDDEN =>
            {
                let mut forbidden = HttpResponse::new(HttpResponseBody::from(Bytes::new()));
                *forbidden.status_mut() = response.status;
                Ok(forbidden)
            }
            RequestError::Response(mut response) => {
                response.is_metadata = is_metadata;
                Err(HttpError::new(HttpErrorKind::Unknown, *response))
            }
            RequestError::Connection(mut connection, kind) => {
                connection.is_metadata = is_metadata;
                Err(HttpError::new(kind, connection))
            }
        }
    }
}
