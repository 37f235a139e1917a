//! `GET /v1/export-webhooks/{id}`: one webhook.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use super::ChangeErrors;
use super::json::WebhookJson;
use super::path::WebhookPath;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_responses::ErrorResponses;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

/// Get a webhook
///
/// Without its secret.
#[utoipa::path(
    get,
    operation_id = "get_webhook",
    path = "/v1/export-webhooks/{id}",
    tag = "Webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The webhook", body = Envelope<WebhookJson>),
        ErrorResponses::<ChangeErrors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn get_webhook(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    _: NoQuery,
) -> Result<Json<Envelope<WebhookJson>>, ApiError> {
    let _share = state.pool_shares.take(&caller.project).await?;
    let webhook = state.database.get_webhook(&caller.project, id).await?;
    let webhook = webhook.ok_or(ApiError::WebhookNotFound)?;
    Ok(Envelope::json(request_id, WebhookJson::from(&webhook)))
}
