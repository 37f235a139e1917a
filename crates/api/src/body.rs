//! The request body: its size limit, and discarding it after an error.

use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::header::EXPECT;
use futures_util::StreamExt;

use crate::error::ApiError;
use crate::json_fields::JsonFields;

/// The maximum size of a request body, in bytes.
const MAX_SIZE: usize = 64 * 1024;

/// A body within the size limit. Its content type does not matter.
#[derive(Debug)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, ApiError> {
        if request.body().size_hint().lower() > MAX_SIZE as u64 {
            discard(request).await;
            return Err(ApiError::PayloadTooLarge);
        }
        let mut bytes = Vec::new();
        let mut chunks = std::mem::take(request.body_mut()).into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| ApiError::invalid("the body could not be read"))?;
            if bytes.len() + chunk.len() > MAX_SIZE {
                *request.body_mut() = axum::body::Body::from_stream(chunks);
                discard(request).await;
                return Err(ApiError::PayloadTooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Self(bytes))
    }
}

/// The body of an operation that takes no fields: nothing, or an empty JSON object, which some clients send with each POST.
#[derive(Debug)]
pub(crate) struct NoFields;

impl<S: Sync> FromRequest<S> for NoFields {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Body(bytes) = Body::from_request(request, state).await?;
        if !bytes.is_empty() {
            JsonFields::parse(&bytes, &[])?.finish()?;
        }
        Ok(Self)
    }
}

/// Reads and drops the body of a rejected request, within limits. Otherwise a client that is still sending gets a connection error
/// instead of the response.
pub(crate) async fn discard(request: Request) {
    const MAX_DISCARDED: usize = 16 * 1024 * 1024;
    const TIMEOUT: Duration = Duration::from_secs(5);
    if request.headers().contains_key(EXPECT) {
        // The client waits for the response before it sends the body. Reading would make it send.
        return;
    }
    let mut chunks = request.into_body().into_data_stream();
    let read = async {
        let mut discarded = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            discarded += chunk.len();
            if discarded > MAX_DISCARDED {
                break;
            }
        }
    };
    // A timeout only ends the reading.
    tokio::time::timeout(TIMEOUT, read).await.ok();
}
