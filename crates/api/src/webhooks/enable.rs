//! `POST /v1/export-webhooks/{id}/enable`: enable a webhook again.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use exports_domain::Scope;

use super::json::WebhookJson;
use super::path::WebhookPath;
use super::{ChangeErrors, change};
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_responses::ErrorResponses;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

/// Enable a webhook
///
/// It receives the events from now on. Those that happened while it was disabled are not sent.
#[utoipa::path(
    post,
    operation_id = "enable_webhook",
    path = "/v1/export-webhooks/{id}/enable",
    tag = "Webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The enabled webhook", body = Envelope<WebhookJson>),
        ErrorResponses::<ChangeErrors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn enable_webhook(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    _: NoQuery,
) -> Result<Json<Envelope<WebhookJson>>, ApiError> {
    caller.require(Scope::Write)?;
    let project = caller.project.clone();
    let enabled = change(&state, &caller.project, |database| async move {
        database.enable_webhook(&project, id).await
    });
    let webhook = enabled.await?.ok_or(ApiError::WebhookNotFound)?;
    Ok(Envelope::json(request_id, WebhookJson::from(&webhook)))
}
