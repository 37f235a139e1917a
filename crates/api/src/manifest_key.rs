//! `GET /.well-known/exports-manifest-key`: the public key of the manifests.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::state::AppState;

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[ErrorCode::NotFound];
}

/// Get the public key of manifests
///
/// The Ed25519 key, in PEM, that verifies the `signature` of manifests. 404 if the service does not sign them.
#[utoipa::path(
    get,
    path = "/.well-known/exports-manifest-key",
    tag = "Exports",
    responses(
        (status = 200, description = "The public key", body = String, content_type = "application/x-pem-file"),
        ErrorResponses::<Errors>,
    ),
)]
pub(crate) async fn get_manifest_key(
    State(state): State<Arc<AppState>>,
) -> Result<Response, ApiError> {
    let key = state.manifest_key.as_ref().ok_or(ApiError::RouteNotFound)?;
    Ok(([(CONTENT_TYPE, "application/x-pem-file")], key.public_pem()).into_response())
}
