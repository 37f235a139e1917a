//! `POST /v1/exports`: queue an export.

mod file_options;
pub(crate) mod request;
mod request_headers;
pub(crate) mod request_schema;
mod response;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::header::HeaderMap;
use axum::response::Response;
use exports_database::{Created, NewExport};
use exports_domain::{ExportId, Limit, Rate, Scope, TraceParent};
use exports_service::http_server::LongWait;
use exports_wire::ExportJson;

use crate::audit::Subject;
use crate::body::Body;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::idempotency_key;
use crate::limits::Share;
use crate::middleware::request_span::TracePosition;
use crate::middleware::timeout::Deadline;
use crate::query::Query;
use crate::request_id::RequestId;
use crate::state::AppState;
use request::ExportRequest;
pub(crate) use request_headers::CreateHeaders;
use request_schema::CreateExport;
pub(crate) use request_schema::refine_schema;
pub(crate) use response::{Queued, Waiting};

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::EndpointNotFound,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::IdempotencyMismatch,
        ErrorCode::PayloadTooLarge,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Create an export
///
/// Queues an export of the matching messages as a file, by default CSV. Get the export to see when it is completed.
#[utoipa::path(
    post,
    path = "/v1/exports",
    tag = "Exports",
    params(
        CreateHeaders,
        ("traceparent" = Option<String>, Header, description = "The position in a distributed trace (W3C Trace Context), \
            accepted with every request. The export keeps it, and its processing is a part of that trace"),
    ),
    request_body(content = CreateExport, content_type = "application/json", example = json!({
        "start_time": "2025-12-01T00:00:00Z",
        "end_time": "2025-12-06T23:59:59Z",
        "statuses": ["pending_retry", "failed_permanent"],
    })),
    responses(
        (status = 201, description = "Export queued", body = Envelope<ExportJson>, headers(
            ("Location" = String, description = "The URL of the export"),
            ("Idempotency-Replayed" = bool, description = "`true` if an earlier request created \
                the export; otherwise absent"),
            ("Preference-Applied" = String, description = "The preference of `Prefer` that was applied"),
        ), example = json!({
            "data": {
                "id": "01935abc-def0-7123-4567-890abcdef012",
                "project_id": "proj_abc123",
                "status": "pending",
                "direction": "outbound",
                "filter_start_time": "2025-12-01T00:00:00Z",
                "filter_end_time": "2025-12-06T23:59:59Z",
                "filter_statuses": ["pending_retry", "failed_permanent"],
                "attempt": 0,
                "created_at": "2025-12-06T12:00:00Z",
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
pub(crate) async fn create_export(
    State(state): State<Arc<AppState>>,
    Extension(id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    Extension(subject): Extension<Subject>,
    Extension(deadline): Extension<Deadline>,
    Extension(TracePosition(traceparent)): Extension<TracePosition>,
    long_wait: LongWait,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    caller.require(Scope::Write)?;
    Query::read(query.as_deref(), &[]).finish()?;
    let idempotency_key = idempotency_key::parse(&headers)?;
    let request = request::parse(&body)?;
    let waiting = Waiting::begin(&state, &caller, &headers, long_wait)?;
    let context = CreateContext {
        state: &state,
        caller: &caller,
        subject: &subject,
        traceparent,
        deadline,
    };
    let queued = context.create(request, None, idempotency_key).await?;
    Ok(waiting.respond(&state, id, &queued).await)
}

/// What a create needs besides the request.
pub(crate) struct CreateContext<'a> {
    pub(crate) state: &'a AppState,
    pub(crate) caller: &'a Caller,
    pub(crate) subject: &'a Subject,
    pub(crate) traceparent: Option<TraceParent>,
    pub(crate) deadline: Deadline,
}

impl CreateContext<'_> {
    /// Queues an export within the limits of its project, or finds the export of the key. A retry names the export
    /// whose request it repeats.
    pub(crate) async fn create(
        &self,
        request: ExportRequest,
        retry_of: Option<ExportId>,
        idempotency_key: Option<String>,
    ) -> Result<Queued, ApiError> {
        let state = self.state;
        let limits = state.limits.with(self.caller.limits);
        let new = NewExport {
            id: ExportId::generate(),
            project: self.caller.project.clone(),
            filter: request.filter,
            options: request.options,
            label: request.label,
            retry_of,
            idempotency_key,
            traceparent: self.traceparent,
            limits: limits.into(),
        };
        self.subject.set_export(new.id);
        let (mut export, replayed) = match queue(state, new, limits.creates, self.deadline).await? {
            Created::New(export) => (export, false),
            Created::Replayed(export) => (export, true),
            Created::Mismatch => return Err(ApiError::IdempotencyMismatch),
            Created::Exceeded(limit) => return Err(state.limited(limit)),
        };
        self.subject.set_export(export.id);
        tracing::info!(export.id = %export.id, replayed, "export queued");
        if replayed {
            // As in every other read. The export exists, so an error here must not fail the request.
            state.database.add_progress(Some(&mut export)).await.ok();
        } else {
            state.changes.announce(&export.project, export.id);
        }
        Ok(Queued { export, replayed })
    }
}

async fn queue(
    state: &AppState,
    new: NewExport,
    quota: Limit<Rate>,
    deadline: Deadline,
) -> Result<Created, ApiError> {
    let share = state.pool_shares.take(&new.project).await?;
    match state.require_endpoints(&new.project, &new.filter).await {
        Err(ApiError::EndpointNotFound) => {
            // A replay returns the first export, even if an endpoint was deleted since.
            let first = state.database.find_replay(&new).await?;
            return first.ok_or(ApiError::EndpointNotFound);
        }
        checked => checked?,
    }
    let Limit::At(rate) = quota else {
        return insert(state, new, share, deadline).await;
    };
    let (database, project) = (&state.database, new.project.clone());
    if let Some(exceeded) = state.create_quotas.take(database, &project, rate).await? {
        // The limits do not apply to a replay.
        let first = database.find_replay(&new).await?;
        return Ok(first.unwrap_or(Created::Exceeded(exceeded)));
    }
    let created = insert(state, new, share, deadline).await;
    // After an error the export may exist.
    if created
        .as_ref()
        .is_ok_and(|created| !matches!(created, Created::New(_)))
    {
        state.create_quotas.give_back(&project);
    }
    created
}

/// Inserts the export, within the limits of active exports and stored bytes.
async fn insert(
    state: &AppState,
    mut new: NewExport,
    share: Share,
    deadline: Deadline,
) -> Result<Created, ApiError> {
    // A client that disconnects must not cancel a statement that may be committed.
    let (database, room) = (state.database.clone(), Arc::clone(&state.active_room));
    let until = deadline.for_response();
    let created = state.run_to_completion(async move {
        let _share = share;
        if let Some(most) = new.limits.active
            && room.take(&database, &new.project, most).await
        {
            new.limits.active = None;
        }
        database.create_export_until(&new, until).await
    });
    Ok(created.await??)
}
