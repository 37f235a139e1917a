//! `DELETE /v1/export-webhooks/{id}`: delete a webhook.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use exports_domain::Scope;

use super::path::WebhookPath;
use super::{ChangeErrors, change};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error_responses::ErrorResponses;
use crate::query::NoQuery;
use crate::state::AppState;

/// Delete a webhook
///
/// Deletes a webhook and its deliveries. A delivery that is being sent may still arrive.
#[utoipa::path(
    delete,
    operation_id = "delete_webhook",
    path = "/v1/export-webhooks/{id}",
    tag = "Webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 204, description = "Deleted"),
        ErrorResponses::<ChangeErrors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn delete_webhook(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    _: NoQuery,
) -> Result<StatusCode, ApiError> {
    caller.require(Scope::Write)?;
    let project = caller.project.clone();
    let deleted = change(&state, &caller.project, |database| async move {
        database.delete_webhook(&project, id).await
    });
    if deleted.await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::WebhookNotFound)
    }
}
