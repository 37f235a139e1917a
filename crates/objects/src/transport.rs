//! The HTTP transport of every bucket's client: sends a request, follows redirects, reads the answer, and repeats the request
//! while the reason passes.
//!
//! The one place that repeats requests: `object_store`'s own loop is switched off, because it knows fewer passing answers and
//! drops the body of a redirect. What an answer means is in [`answer`] and [`meaning`], redirects are in [`redirect`].
//! Every operation of this crate may be repeated: keys are never used twice, and [`crate::upload`] settles a repeated
//! completion. Bodies are shared, not copied.

mod client;
mod error_codes;
pub(crate) mod error_response;
mod redirect;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use rand::RngExt;
use tokio::time::Instant;

use error_response::{Answer, Broken, host};

pub(crate) use redirect::Signer;

/// How many addresses one request may be sent to.
const HOPS: usize = 4;

/// The first pause before a request is repeated; each further one is up to twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where clouds give credentials to their machines. Asked when the environment has none.
const METADATA: [&str; 3] = [
    "169.254.169.254",
    "169.254.170.2",
    "metadata.google.internal",
];

/// How often and how long a request is repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retries {
    pub(crate) count: usize,
    /// No repetition begins later than this after the first try.
    pub(crate) window: Duration,
}

/// Makes the transports of one client.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) retries: Retries,
    /// Certificates that are trusted besides the system's.
    pub(crate) roots: Vec<reqwest::Certificate>,
    pub(crate) signer: Arc<Signer>,
    /// Where credentials are asked for besides the usual addresses.
    pub(crate) metadata_host: Option<String>,
    /// Whether the metadata service's older version may be asked.
    pub(crate) asks_older_metadata: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Transport {
            client: HttpClient::new(client::build(options, &self.roots)?),
            retries: self.retries,
            signer: Arc::clone(&self.signer),
            metadata_host: self.metadata_host.clone(),
            asks_older_metadata: self.asks_older_metadata,
        }))
    }
}

struct Transport {
    client: HttpClient,
    retries: Retries,
    signer: Arc<Signer>,
    metadata_host: Option<String>,
    asks_older_metadata: bool,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

enum Body {
    Whole(Bytes),
    /// Large: its reader reads it, and goes on where it breaks off.
    File(HttpResponseBody),
}

/// Everything else is small: lists have a thousand entries at most.
fn reads_a_file(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.method() == Method::GET && !query.contains("list-type=") && !query.contains("comp=list")
}

/// Why a request did not succeed.
enum Failure {
    Answered(Box<Answer>),
    Broken(Broken, HttpErrorKind),
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let begun = Instant::now();
        let mut repeated = 0;
        loop {
            let failure = match self.send(&request).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let pause = pause(repeated).max(failure.wanted_pause());
            let is_late = begun.elapsed() + pause > self.retries.window;
            if !failure.passes() || repeated >= self.retries.count || is_late {
                return self.give_up(&request, failure);
            }
            repeated += 1;
            tracing::info!(
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                repeated,
                "the object store's request is repeated: {failure}"
            );
            tokio::time::sleep(pause).await;
        }
    }
}

impl Transport {
    /// Sends it once, and again wherever a redirect leads to.
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, Failure> {
        let mut request = request.clone();
        let mut hops = 1;
        loop {
            let (head, body) = self.exchange(&request).await?;
            let body = match body {
                Body::Whole(body) => body,
                Body::File(body) => return Ok(HttpResponse::from_parts(head, body)),
            };
            let target = redirect::target(&request, &head, self.signer.region());
            let moved = match target.filter(|_| hops < HOPS) {
                Some(target) => self.signer.moved(&request, &target).await,
                None => None,
            };
            match moved {
                Some(moved) => request = moved,
                None => return self.examined(&request, head, body),
            }
            hops += 1;
        }
    }

    async fn exchange(
        &self,
        request: &HttpRequest,
    ) -> Result<(http::response::Parts, Body), Failure> {
        let broken = |error: HttpError| {
            let kind = error.kind();
            Failure::Broken(Broken::new(request, error), kind)
        };
        let response = self.client.execute(request.clone()).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        if head.status.is_success() && reads_a_file(request) {
            return Ok((head, Body::File(body)));
        }
        let mut whole = BytesMut::new();
        let mut chunks = body.bytes_stream();
        while let Some(chunk) = chunks.try_next().await.map_err(broken)? {
            whole.extend_from_slice(&chunk);
        }
        Ok((head, Body::Whole(whole.freeze())))
    }

    fn examined(
        &self,
        request: &HttpRequest,
        head: http::response::Parts,
        body: Bytes,
    ) -> Result<HttpResponse, Failure> {
        match Answer::failed(request, &head, &body, self.signer.region()) {
            None => Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body))),
            Some(answer) => Err(Failure::Answered(Box::new(answer))),
        }
    }

    fn give_up(&self, request: &HttpRequest, failure: Failure) -> Result<HttpResponse, HttpError> {
        let asked = host(request.uri());
        let is_metadata =
            METADATA.contains(&asked.as_str()) || self.metadata_host.as_ref() == Some(&asked);
        match failure {
            // `object_store` asks the older version of the service then.
            Failure::Answered(answer)
                if is_metadata
                    && self.asks_older_metadata
                    && answer.status == StatusCode::FORBIDDEN =>
            {
                let mut response = HttpResponse::new(HttpResponseBody::from(Bytes::new()));
                *response.status_mut() = answer.status;
                Ok(response)
            }
            Failure::Answered(mut answer) => {
                answer.is_metadata = is_metadata;
                Err(HttpError::new(HttpErrorKind::Unknown, *answer))
            }
            Failure::Broken(mut broken, kind) => {
                broken.is_metadata = is_metadata;
                Err(HttpError::new(kind, broken))
            }
        }
    }
}

impl Failure {
    fn passes(&self) -> bool {
        match self {
            Self::Answered(answer) => answer.passes(),
            Self::Broken(broken, _) => broken.passes(),
        }
    }

    fn wanted_pause(&self) -> Duration {
        match self {
            Self::Answered(answer) => answer.wanted_pause.unwrap_or_default().min(LONGEST_PAUSE),
            Self::Broken(..) => Duration::ZERO,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(answer) => answer.fmt(f),
            Self::Broken(broken, _) => broken.fmt(f),
        }
    }
}

/// Exponential, with full jitter above a half, so that clients that were refused together do not come back together.
fn pause(repeated: usize) -> Duration {
    let doubled =
        u32::try_from(repeated).map_or(u32::MAX, |exponent| 2_u32.saturating_pow(exponent));
    let most = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
    most.mul_f64(rand::rng().random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_are_jittered_and_bounded() {
        for (repeated, most) in [(0, 100), (1, 200), (3, 800), (7, 10_000), (10_000, 10_000)] {
            let most = Duration::from_millis(most);
            let found = pause(repeated);
            assert!(found >= most / 2 && found <= most, "{repeated}: {found:?}");
        }
    }
}
