//! `POST /v1/export-webhooks/{id}/test`: send a test event.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use exports_domain::Scope;

use super::json::DeliveryJson;
use super::path::WebhookPath;
use super::{ChangeErrors, change};
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_responses::ErrorResponses;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

/// Test a webhook
///
/// Sends an `export.test` event within seconds, also if the webhook is disabled. Its deliveries show the result: a test is sent
/// once. While a test waits to be sent, another one is not added.
#[utoipa::path(
    post,
    operation_id = "test_webhook",
    path = "/v1/export-webhooks/{id}/test",
    tag = "Webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 202, description = "The delivery of the test", body = Envelope<DeliveryJson>),
        ErrorResponses::<ChangeErrors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn test_webhook(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    _: NoQuery,
) -> Result<Response, ApiError> {
    caller.require(Scope::Write)?;
    let project = caller.project.clone();
    let tested = change(&state, &caller.project, |database| async move {
        database.test_webhook(&project, id).await
    });
    let delivery = tested.await?.ok_or(ApiError::WebhookNotFound)?;
    let json = Envelope::json(request_id, DeliveryJson::from(&delivery));
    Ok((StatusCode::ACCEPTED, json).into_response())
}
