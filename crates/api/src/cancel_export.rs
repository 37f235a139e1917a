//! `POST /v1/exports/{id}/cancel`: stop an export that is pending or processing.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use exports_database::Canceled;
use exports_domain::{Export, ExportId, ProjectId, Scope};
use exports_wire::ExportJson;

use crate::body::NoFields;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::path::ExportPath;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

/// The `error_message` of a canceled export.
const MESSAGE: &str = "The export was canceled by a request of its project. If you need the messages after all, retry \
     this export or create a new one.";

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::ExportNotActive,
        ErrorCode::PayloadTooLarge,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Cancel an export
///
/// Ends an export that is pending or processing: it is `failed` with the `error_code` `CANCELED` at once. Its worker
/// stops within 2 seconds and deletes what it has stored. Canceling it again returns the same.
#[utoipa::path(
    post,
    path = "/v1/exports/{id}/cancel",
    tag = "Exports",
    params(("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
        example = "01935abc-def0-7123-4567-890abcdef012")),
    responses(
        (status = 200, description = "Export canceled", body = Envelope<ExportJson>, example = json!({
            "data": {
                "id": "01935abc-def0-7123-4567-890abcdef012",
                "project_id": "proj_abc123",
                "status": "failed",
                "direction": "outbound",
                "filter_start_time": "2025-12-01T00:00:00Z",
                "filter_end_time": "2025-12-06T23:59:59Z",
                "error_message": "The export was canceled by a request of its project. If you need the messages after \
                    all, retry this export or create a new one.",
                "error_code": "CANCELED",
                "attempt": 1,
                "started_at": "2025-12-06T12:00:30Z",
                "created_at": "2025-12-06T12:00:00Z",
            },
            "meta": { "request_id": "req_xyz123" },
        })),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn cancel_export(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    ExportPath(id): ExportPath,
    _: NoQuery,
    _: NoFields,
) -> Result<Response, ApiError> {
    caller.require(Scope::Write)?;
    // A client that disconnects must not stop a statement that may be committed.
    let shared = Arc::clone(&state);
    let canceled = state
        .run_to_completion(async move { cancel(&shared, &caller.project, id).await })
        .await??;
    Ok(Envelope::json(request_id, ExportJson::from(&canceled)).into_response())
}

async fn cancel(state: &AppState, project: &ProjectId, id: ExportId) -> Result<Export, ApiError> {
    let _share = state.pool_shares.take(project).await?;
    match state.database.cancel_export(project, id, MESSAGE).await? {
        Canceled::Now(export) => {
            state.metrics.canceled.inc();
            tracing::info!("export canceled");
            state.changes.announce(project, id);
            Ok(export)
        }
        Canceled::Before(export) => Ok(export),
        Canceled::Ended(status) => Err(ApiError::NotCancelable(status)),
        Canceled::Missing => Err(ApiError::ExportNotFound),
    }
}
