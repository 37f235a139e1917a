//! A client of the HTTP API. It uses only the public contract.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{RequestBuilder, Response, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use uuid::Uuid;

use crate::error::{Context, Error, Result};

#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
    key: String,
}

/// The fields of an export that the demo uses.
#[derive(Debug, Deserialize)]
pub(crate) struct Export {
    pub(crate) id: Uuid,
    pub(crate) status: String,
    pub(crate) row_count: Option<u64>,
    pub(crate) file_size_bytes: Option<u64>,
    pub(crate) sha256: Option<String>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) error_message: Option<String>,
}

/// Size and digest of a downloaded file.
#[derive(Debug)]
pub(crate) struct Downloaded {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

#[derive(Debug, Deserialize)]
struct Envelope<T> {
    data: T,
}

/// Used when the response has no `Retry-After`.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time between two chunks of a response.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

impl Client {
    pub(crate) fn new(address: &str, key: &str) -> Result<Self> {
        // reqwest needs a TLS provider even for plain HTTP. An error means that one is installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            // The API runs on this machine: no proxy of the user, and no certificates, which a fresh
            // machine does not have.
            .no_proxy()
            .tls_certs_only([])
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .context("cannot create the HTTP client")?;
        Ok(Self {
            http,
            address: address.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
        })
    }

    /// POST /v1/exports
    pub(crate) async fn create(&self, direction: &str, start: &str, end: &str) -> Result<Export> {
        let body = json!({"direction": direction, "start_time": start, "end_time": end});
        let request = self.http.post(format!("{}/v1/exports", self.address));
        data(self.send(request.json(&body)).await?).await
    }

    /// Polls GET /v1/exports/{id} until the export has ended, at the intervals of `Retry-After`.
    pub(crate) async fn wait_for(
        &self,
        id: Uuid,
        mut on_state: impl FnMut(&str),
    ) -> Result<Export> {
        loop {
            let request = self.http.get(format!("{}/v1/exports/{id}", self.address));
            let response = self.send(request).await?;
            let pause = retry_after(&response).unwrap_or(POLL_INTERVAL);
            let export: Export = data(response).await?;
            on_state(&export.status);
            match export.status.as_str() {
                "completed" => return Ok(export),
                "pending" | "processing" => tokio::time::sleep(pause).await,
                other => {
                    let reason = export
                        .error_message
                        .as_deref()
                        .unwrap_or("no error message");
                    return Err(Error::new(format!("export {id} is {other}: {reason}")));
                }
            }
        }
    }

    /// Follows GET /v1/exports/{id}/download and writes the file to `to`.
    pub(crate) async fn download(
        &self,
        id: Uuid,
        to: &Path,
        mut on_progress: impl FnMut(u64),
    ) -> Result<Downloaded> {
        let url = format!("{}/v1/exports/{id}/download", self.address);
        let mut response = check_status(self.send(self.http.get(url)).await?).await?;
        let writing = || format!("cannot write {}", to.display());
        let mut file = BufWriter::new(File::create(to).await.context(writing())?);
        let (mut bytes, mut digest) = (0, Sha256::new());
        while let Some(chunk) = response
            .chunk()
            .await
            .context("the download was interrupted")?
        {
            bytes += chunk.len() as u64;
            digest.update(&chunk);
            file.write_all(&chunk).await.context(writing())?;
            on_progress(bytes);
        }
        file.flush().await.context(writing())?;
        Ok(Downloaded {
            bytes,
            sha256: hex::encode(digest.finalize()),
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let sent = request.bearer_auth(&self.key).send().await;
        sent.context("cannot reach the API")
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?;
    Some(Duration::from_secs(value.to_str().ok()?.parse().ok()?))
}

async fn data<T: DeserializeOwned>(response: Response) -> Result<T> {
    let envelope: Envelope<T> = check_status(response)
        .await?
        .json()
        .await
        .context("the response of the API is invalid")?;
    Ok(envelope.data)
}

/// Turns an error response into an error.
async fn check_status(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body: Value = response.json().await.unwrap_or_default();
    let detail = |name: &str| body["error"][name].as_str();
    Err(Error::new(match (detail("code"), detail("message")) {
        (Some(code), Some(message)) => format!("the API responded {status}, {code}: {message}"),
        _ => format!("the API responded {status}"),
    }))
}
