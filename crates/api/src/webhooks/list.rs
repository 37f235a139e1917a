//! `GET /v1/export-webhooks`: the webhooks of a project.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use super::json::{WebhookJson, WebhookList};
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// List the webhooks
///
/// The webhooks of the project, oldest first, without their secrets.
#[utoipa::path(
    get,
    operation_id = "list_webhooks",
    path = "/v1/export-webhooks",
    tag = "Webhooks",
    responses(
        (status = 200, description = "The webhooks", body = WebhookList),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn list_webhooks(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    _: NoQuery,
) -> Result<Json<Envelope<Vec<WebhookJson>>>, ApiError> {
    let _share = state.pool_shares.take(&caller.project).await?;
    let webhooks = state.database.list_webhooks(&caller.project).await?;
    let data = webhooks.iter().map(WebhookJson::from).collect();
    Ok(Envelope::json(request_id, data))
}
