//! Sends spans to the collector, and logs its outages.
//!
//! The SDK collects spans in a bounded queue and drops those that do not fit. A thread of its own sends them, and waits for each
//! answer. So a collector that is unavailable or silent delays neither requests nor exports.

use std::time::Duration;

use async_trait::async_trait;
use exports_domain::error_line;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

use crate::outage::Outage;

/// The largest answer that is read. A collector answers with a few bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The HTTP client of the exporter.
#[derive(Debug)]
pub(super) struct Collector {
    client: reqwest::Client,
    /// The thread of the exporter is not a part of the runtime.
    runtime: Handle,
    outage: Outage,
}

impl Collector {
    pub(super) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(Policy::none())
            .user_agent(concat!("exports/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            runtime: Handle::current(),
            outage: Outage::of("the collector of traces"),
        })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, outage) = (self.client.clone(), self.outage.clone());
        let sent = self.runtime.spawn(async move {
            let answered = send(client, request).await;
            match &answered {
                Ok(answer) if answer.status().is_success() => outage.succeeded(),
                Ok(answer) => outage.failed(&format_args!("it answered {}", answer.status())),
                Err(error) => outage.failed(&error_line(error)),
            }
            answered
        });
        Ok(sent.await??)
    }
}

async fn send(
    client: reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, reqwest::Error> {
    // The URL may contain a secret.
    let without_url = reqwest::Error::without_url;
    let request = request.try_into().map_err(without_url)?;
    let mut answer = client.execute(request).await.map_err(without_url)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(without_url)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}
