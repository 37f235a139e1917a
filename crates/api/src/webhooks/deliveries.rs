//! `GET /v1/export-webhooks/{id}/deliveries`: the latest deliveries of a webhook.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use super::ChangeErrors;
use super::json::{DeliveryJson, WebhookDeliveryList};
use super::path::WebhookPath;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_responses::ErrorResponses;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

const SHOWN: u16 = 100;

/// List the deliveries of a webhook
///
/// The last 100, newest first.
#[utoipa::path(
    get,
    operation_id = "list_webhook_deliveries",
    path = "/v1/export-webhooks/{id}/deliveries",
    tag = "Webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The deliveries", body = WebhookDeliveryList),
        ErrorResponses::<ChangeErrors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn list_deliveries(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    WebhookPath(id): WebhookPath,
    _: NoQuery,
) -> Result<Json<Envelope<Vec<DeliveryJson>>>, ApiError> {
    let _share = state.pool_shares.take(&caller.project).await?;
    let (database, project) = (&state.database, &caller.project);
    let deliveries = database.webhook_deliveries(project, id, SHOWN).await?;
    let deliveries = deliveries.ok_or(ApiError::WebhookNotFound)?;
    let data = deliveries.iter().map(DeliveryJson::from).collect();
    Ok(Envelope::json(request_id, data))
}
