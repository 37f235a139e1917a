//! A client of the HTTP API. It uses only the public contract.

mod events;
mod export;
mod resumable;

use std::path::Path;
use std::time::Duration;

use exports_domain::error_line;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use uuid::Uuid;

use crate::error::{Context, Error, Result};
use crate::output::note;
pub(crate) use export::{Export, FileOfExport};
pub(crate) use resumable::Target;

#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
    key: String,
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
const INVALID: &str = "the response of the API is invalid";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time between two chunks of a response.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a request is sent whose answer does not come.
const TRIES: u32 = 4;

/// A page of the list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) exports: Vec<Value>,
    pub(crate) next_cursor: Option<String>,
}

impl Client {
    /// A client of an API on this machine: no proxy of the user, and no certificates, which a fresh machine does
    /// not have.
    pub(crate) fn local(address: &str, key: &str) -> Result<Self> {
        Self::with(address, key, |builder| {
            builder.no_proxy().tls_certs_only([])
        })
    }

    /// A client of any API.
    pub(crate) fn to(address: &str, key: &str) -> Result<Self> {
        if !address.starts_with("https://") && !address.starts_with("http://") {
            return Err(Error::new(format!(
                "the address of the API must start with https:// or http://: it is {address:?}"
            )));
        }
        Self::with(address, key, |builder| builder)
    }

    fn with(
        address: &str,
        key: &str,
        build: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self> {
        // reqwest needs a TLS provider even for plain HTTP. An error means that one is installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        let http = build(builder)
            .build()
            .context("cannot create the HTTP client")?;
        Ok(Self {
            http,
            address: address.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
        })
    }

    /// The `data` of a response.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        data(self.send(self.request(Method::GET, path)).await?).await
    }

    /// The whole body of a response.
    pub(crate) async fn get_body(&self, path: &str) -> Result<Value> {
        let response = check_status(self.send(self.request(Method::GET, path)).await?).await?;
        response.json().await.context(INVALID)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.request(Method::POST, path).json(body);
        data(self.send(request).await?).await
    }

    /// A POST that is sent again if no answer comes: the server then repeats its first answer.
    pub(crate) async fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Value> {
        let mut tries = 1;
        loop {
            let request = self.request(Method::POST, path).json(body);
            let request = request.header("Idempotency-Key", key);
            match self.send(request).await {
                Err(error) if tries < TRIES => {
                    note(&format!("{}; trying again", error_line(&error)));
                }
                answered => return data(answered?).await,
            }
            tokio::time::sleep(POLL_INTERVAL * tries).await;
            tries += 1;
        }
    }

    /// A POST without a body.
    pub(crate) async fn post_empty(&self, path: &str) -> Result<Value> {
        data(self.send(self.request(Method::POST, path)).await?).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        let sent = self.send(self.request(Method::DELETE, path)).await?;
        check_status(sent).await.map(drop)
    }

    /// GET /v1/exports
    pub(crate) async fn list(
        &self,
        limit: u16,
        status: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Page> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(status.map(|status| ("status", status.to_owned())));
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let mut body = self.get_body(&format!("/v1/exports?{query}")).await?;
        let exports = Vec::deserialize(body["data"].take()).context(INVALID)?;
        let next_cursor = body["meta"]["next_cursor"].as_str().map(str::to_owned);
        Ok(Page {
            exports,
            next_cursor,
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.address))
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
        sent.context(format!("cannot reach the API at {}", self.address))
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
        .context(INVALID)?;
    Ok(envelope.data)
}

/// Turns an error response into an error.
async fn check_status(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let request = response.headers().get("x-request-id");
    let request = request.and_then(|id| id.to_str().ok()).map(str::to_owned);
    let body: Value = response.json().await.unwrap_or_default();
    let detail = |name: &str| body["error"][name].as_str();
    let mut message = match (detail("code"), detail("message")) {
        (Some(code), Some(message)) => format!("the API responded {status}, {code}: {message}"),
        _ => format!("the API responded {status}"),
    };
    if let Some(request) = request {
        message = format!("{message} (request {request})");
    }
    Err(match status {
        StatusCode::NOT_FOUND => Error::NotFound { message },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Refused { message },
        StatusCode::GONE => Error::NoFile { message },
        _ => Error::new(message),
    })
}
