//! `POST /v1/export-webhooks/{id}/rotate`: a new secret.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use exports_database::WebhookSecret;
use exports_domain::Scope;

use super::json::WebhookJson;
use super::path::WebhookPath;
use super::{ChangeErrors, change};
use crate::caching::no_store;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_responses::ErrorResponses;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

/// Rotate the secret of a webhook
///
/// The response contains the new secret, which is not shown again. For 24 hours each delivery has two signatures: with the new
/// secret, and with the one before.
#[utoipa::path(
    post,
    operation_id = "rotate_webhook",
    path = "/v1/export-webhooks/{id}/rotate",
    tag = "Webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The webhook with its new secret", body = Envelope<WebhookJson>),
        ErrorResponses::<ChangeErrors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn rotate_webhook(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    _: NoQuery,
) -> Result<Response, ApiError> {
    caller.require(Scope::Write)?;
    let (project, secret) = (caller.project.clone(), WebhookSecret::generate());
    let new = secret.clone();
    let rotated = change(&state, &caller.project, |database| async move {
        database.rotate_webhook(&project, id, &new).await
    });
    let webhook = rotated.await?.ok_or(ApiError::WebhookNotFound)?;
    let json = WebhookJson::from(&webhook).with_secret(&secret);
    Ok(([no_store()], Envelope::json(request_id, json)).into_response())
}
