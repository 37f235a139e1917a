//! `POST /v1/exports`: queue an export.

mod request;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use exports_database::{Created, NewExport};
use exports_domain::{Export, ExportId, Limit, Rate, Scope};
use exports_wire::ExportJson;
use tokio::time::{Instant, timeout_at};

use crate::audit::Subject;
use crate::body::Body;
use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::limits::Share;
use crate::live::{Rendered, Waiter, WaiterKind};
use crate::middleware::timeout::Deadline;
use crate::prefer::Wait;
use crate::query::Query;
use crate::request_id::RequestId;
use crate::state::AppState;
use crate::wait::{self, Waited};
use request::CreateExport;
pub(crate) use request::refine_schema;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// 1 to 255 visible ASCII characters.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let invalid = |rule: &str| Err(ApiError::Invalid(format!("Idempotency-Key must {rule}")));
    if values.next().is_some() {
        return invalid("be given once");
    }
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(key.to_owned()))
        }
        _ => invalid("be 1 to 255 visible ASCII characters"),
    }
}

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
/// Queues an export of the matching messages as a CSV file. Get the export to see when it is completed.
#[utoipa::path(
    post,
    path = "/v1/exports",
    tag = "Exports",
    params(
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "1 to 255 visible ASCII \
            characters. For 24 hours, the same key with the same request returns the first export \
            instead of creating a second one."),
        ("Prefer" = Option<String>, Header, description = "`wait=10`: the response comes as soon as the export has ended, or \
            after so many seconds with the export as it is. A longer time than 60 seconds counts as 60; a value that is no \
            whole number is ignored"),
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
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, ApiError> {
    caller.require(Scope::Write)?;
    Query::read(query.as_deref(), &[]).finish()?;
    let idempotency_key = idempotency_key(&headers)?;
    let filter = request::parse(&body)?;
    // Before the export is created, because it may be refused.
    let waiting = match Wait::preferred(&headers) {
        None => None,
        Some(wait) => {
            let waiter = state.live.enter(&caller, WaiterKind::Wait);
            Some((wait, waiter.map_err(|exceeded| state.limited(exceeded))?))
        }
    };
    let limits = state.limits.with(caller.limits);
    let new = NewExport {
        id: ExportId::generate(),
        project: caller.project,
        filter,
        idempotency_key,
        limits: limits.into(),
    };
    subject.set_export(new.id);
    let (export, replayed) = match queue(&state, new, limits.creates, deadline).await? {
        Created::New(export) => (export, false),
        Created::Replayed(export) => (export, true),
        Created::Mismatch => return Err(ApiError::IdempotencyMismatch),
        Created::Exceeded(limit) => return Err(state.limited(limit)),
    };
    subject.set_export(export.id);
    tracing::info!(export.id = %export.id, replayed, "export queued");
    if !replayed {
        state.changes.announce(&export.project, export.id);
    }
    let location = format!("{}/v1/exports/{}", state.public_url, export.id);
    let location = HeaderValue::try_from(location).expect("a URL is a valid header value");
    let mut headers = HeaderMap::from_iter([(LOCATION, location)]);
    if replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    let Some((wait, waiter)) = waiting else {
        let body = Envelope::json(id, ExportJson::from(&export));
        return Ok((StatusCode::CREATED, headers, body).into_response());
    };
    headers.extend([wait.applied()]);
    let begun = Instant::now();
    let body = Envelope::json(id, ended(&state, &waiter, &export, wait).await.json());
    let mut response = (StatusCode::CREATED, headers, body).into_response();
    response.extensions_mut().insert(Waited::since(begun));
    Ok(response)
}

/// The export once it has ended, or after the wait as it is. Whatever fails, the export was created.
async fn ended(state: &AppState, waiter: &Waiter, export: &Export, time: Wait) -> Arc<Rendered> {
    let deadline = Instant::now() + time.duration();
    let watch = state.live.watch(&export.project, export.id);
    let is_enough = |export: &Rendered| export.status.is_terminal();
    let waiting = wait::wait(waiter, watch, deadline, is_enough);
    // Also at the first read, which may fail.
    match timeout_at(deadline, waiting).await {
        Ok(Ok(Some(latest))) => latest,
        Ok(Ok(None) | Err(_)) | Err(_) => Arc::new(Rendered::of(export)),
    }
}

async fn queue(
    state: &AppState,
    new: NewExport,
    quota: Limit<Rate>,
    deadline: Deadline,
) -> Result<Created, ApiError> {
    let share = state.pool_shares.take(&new.project).await?;
    let filter = &new.filter;
    let endpoints = filter.endpoint.values();
    if !endpoints.is_empty() {
        let found = state
            .source
            .has_endpoints(&new.project, filter.direction, endpoints)
            .await?;
        if !found {
            // A replay returns the first export, even if an endpoint was deleted since.
            let first = state.database.find_replay(&new).await?;
            return first.ok_or(ApiError::EndpointNotFound);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_must_be_visible_ascii_in_one_header() {
        let keys = |values: &[&[u8]]| {
            let headers = values
                .iter()
                .map(|value| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap()))
                .collect();
            idempotency_key(&headers).map_err(|error| error.message())
        };
        assert_eq!(keys(&[]), Ok(None));
        assert_eq!(keys(&[b"a-1~!"]), Ok(Some("a-1~!".to_owned())));
        assert!(keys(&[&[b'x'; 255]]).is_ok());
        for bad in [&b""[..], b"a b", b"a\tb", &[b'x'; 256], "é".as_bytes()] {
            assert_eq!(
                keys(&[bad]),
                Err("Idempotency-Key must be 1 to 255 visible ASCII characters".to_owned())
            );
        }
        assert_eq!(
            keys(&[b"a", b"a"]),
            Err("Idempotency-Key must be given once".to_owned())
        );
    }
}
