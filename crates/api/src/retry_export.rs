//! `POST /v1/exports/{id}/retry`: queue the request of a failed or expired export again, as a new export.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use exports_domain::{ExportId, ExportState, Scope};
use exports_service::http_server::LongWait;
use exports_wire::ExportJson;

use crate::audit::Subject;
use crate::body::NoFields;
use crate::caller::Caller;
use crate::create_export::request::ExportRequest;
use crate::create_export::{CreateContext, CreateHeaders, Queued, Waiting};
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::idempotency_key;
use crate::middleware::request_span::TracePosition;
use crate::middleware::timeout::Deadline;
use crate::path::ExportPath;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::EndpointNotFound,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::ExportNotActive,
        ErrorCode::IdempotencyMismatch,
        ErrorCode::PayloadTooLarge,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Retry an export
///
/// Queues a new export with the filters, the file options and the label of a failed or expired one, whose id is its `retry_of`. The old
/// export stays as it is. The limits of the project apply as they do to a create.
#[utoipa::path(
    post,
    path = "/v1/exports/{id}/retry",
    tag = "Exports",
    params(
        ("id" = Uuid, Path, description = "The failed or expired export",
            example = "01935abc-def0-7123-4567-890abcdef012"),
        CreateHeaders,
    ),
    responses(
        (status = 201, description = "New export queued", body = Envelope<ExportJson>, headers(
            ("Location" = String, description = "The URL of the new export"),
            ("Idempotency-Replayed" = bool, description = "`true` if an earlier request created \
                the export; otherwise absent"),
            ("Preference-Applied" = String, description = "The preference of `Prefer` that was applied"),
        ), example = json!({
            "data": {
                "id": "01935abc-def0-7123-4567-890abcdef013",
                "project_id": "proj_abc123",
                "status": "pending",
                "direction": "outbound",
                "filter_start_time": "2025-12-01T00:00:00Z",
                "filter_end_time": "2025-12-06T23:59:59Z",
                "retry_of": "01935abc-def0-7123-4567-890abcdef012",
                "attempt": 0,
                "created_at": "2025-12-06T12:10:00Z",
            },
            "meta": { "request_id": "req_xyz123" },
        })),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
#[expect(
    clippy::too_many_arguments,
    reason = "each is an extractor of one part of the request"
)]
pub(crate) async fn retry_export(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    Extension(subject): Extension<Subject>,
    Extension(deadline): Extension<Deadline>,
    Extension(TracePosition(traceparent)): Extension<TracePosition>,
    long_wait: LongWait,
    ExportPath(id): ExportPath,
    _: NoQuery,
    headers: HeaderMap,
    _: NoFields,
) -> Result<Response, ApiError> {
    caller.require(Scope::Write)?;
    let key = idempotency_key::parse(&headers)?;
    let context = CreateContext {
        state: &state,
        caller: &caller,
        subject: &subject,
        traceparent,
        deadline,
    };
    let retried = async {
        let waiting = Waiting::begin(&state, &caller, &headers, long_wait)?;
        Ok::<_, ApiError>((waiting, retry(&context, id, key).await?))
    };
    match retried.await {
        Ok((waiting, queued)) => Ok(waiting.respond(&state, request_id, &queued).await),
        Err(error) => {
            // The refused request is about the old export; there is no new one.
            subject.set_export(id);
            Err(error)
        }
    }
}

async fn retry(
    context: &CreateContext<'_>,
    id: ExportId,
    idempotency_key: Option<String>,
) -> Result<Queued, ApiError> {
    let CreateContext { state, caller, .. } = *context;
    let Some(export) = state.batch_loader.get(&caller.project, id).await? else {
        // A replay returns the first new export, even if the old one was deleted since.
        let key = idempotency_key.as_deref().ok_or(ApiError::ExportNotFound)?;
        let found = state.database.find_retry(&caller.project, key, id).await?;
        let export = found.ok_or(ApiError::ExportNotFound)?;
        return Ok(Queued {
            export,
            replayed: true,
        });
    };
    match export.state {
        // Both are final, so the export cannot become active until the new one is created.
        ExportState::Failed { .. } | ExportState::Expired(_) => {}
        ExportState::Pending | ExportState::Processing { .. } | ExportState::Completed(_) => {
            return Err(ApiError::NotRetryable(export.state.status()));
        }
    }
    let request = ExportRequest {
        filter: export.filter,
        options: export.options,
        label: export.label,
    };
    context.create(request, Some(id), idempotency_key).await
}
