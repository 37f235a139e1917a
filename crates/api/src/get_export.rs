//! `GET /v1/exports/{id}`: the state of an export.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use exports_domain::{ExportId, ExportStatus};
use exports_service::http_server::LongWait;
use exports_wire::ExportJson;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::etag;
use crate::live::{Rendered, WaiterKind};
use crate::path::ExportPath;
use crate::prefer::Wait;
use crate::query::Query;
use crate::request_id::RequestId;
use crate::state::AppState;
use crate::wait::{self, Waited};

/// The polling interval for an export that is pending or processing, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Get an export
///
/// Retrieve details of a specific export job including its status, row count, and file size when
/// completed. With `wait`, the response comes as soon as the export has ended, or after that time with the export as it is.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}",
    tag = "Exports",
    params(
        ("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
            example = "01935abc-def0-7123-4567-890abcdef012"),
        ("wait" = Option<u8>, Query, minimum = 0, maximum = 60,
            description = "How many seconds to wait until the export has ended or, with `If-None-Match`, until it has changed"),
        ("Prefer" = Option<String>, Header, description = "`wait=30`: like the query parameter, which has precedence. A \
            longer time than 60 seconds counts as 60; a value that is no whole number is ignored"),
        ("If-None-Match" = Option<String>, Header,
            description = "The `ETag` of an earlier response: if nothing has changed, the response is 304"),
    ),
    responses(
        (status = 200, description = "Export details retrieved successfully",
            body = Envelope<ExportJson>,
            headers(
                ("ETag" = String, description = "Weak, over `data`"),
                ("Retry-After" = u64, description = "While the export is pending or processing: \
                    the number of seconds to wait before the next request"),
                ("Preference-Applied" = String, description = "The preference of `Prefer` that was applied"),
            ),
            example = json!({
                "data": {
                    "id": "01935abc-def0-7123-4567-890abcdef012",
                    "project_id": "proj_abc123",
                    "status": "completed",
                    "direction": "outbound",
                    "filter_start_time": "2025-12-01T00:00:00Z",
                    "filter_end_time": "2025-12-06T23:59:59Z",
                    "filter_status": "failed_permanent",
                    "row_count": 5000,
                    "file_size_bytes": 1_024_000,
                    "attempt": 1,
                    "started_at": "2025-12-06T12:00:30Z",
                    "completed_at": "2025-12-06T12:05:00Z",
                    "expires_at": "2025-12-13T12:05:00Z",
                    "created_at": "2025-12-06T12:00:00Z",
                },
                "meta": { "request_id": "req_xyz123" },
            })),
        (status = 304, description = "Nothing has changed since the `ETag` of `If-None-Match`",
            headers(
                ("ETag" = String, description = "The same tag"),
                ("Retry-After" = u64, description = "As with 200"),
                ("Preference-Applied" = String, description = "As with 200"),
            )),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn get_export(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    ExportPath(id): ExportPath,
    RawQuery(query): RawQuery,
    long_wait: LongWait,
    request_headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut query = Query::read(query.as_deref(), &["wait"]);
    let asked = query.value("wait", Wait::parse);
    query.finish()?;
    let preferred = Wait::preferred(&request_headers).filter(|_| asked.is_none());
    let mut response = match asked.or(preferred) {
        None => {
            let export = state.batch_loader.get(&caller.project, id).await?;
            let export = export.ok_or(ApiError::ExportNotFound)?;
            respond(request_id, &request_headers, &Rendered::of(&export))
        }
        Some(wait) => {
            let begun = Instant::now();
            let export = wait_for(
                &state,
                &caller,
                id,
                begun + wait.duration(),
                &long_wait,
                &request_headers,
            );
            let mut response = respond(request_id, &request_headers, &*export.await?);
            response.extensions_mut().insert(Waited::since(begun));
            response
        }
    };
    response.headers_mut().extend(preferred.map(Wait::applied));
    Ok(response)
}

/// The export once it has ended or, with `If-None-Match`, once it differs from that.
async fn wait_for(
    state: &AppState,
    caller: &Caller,
    id: ExportId,
    deadline: Instant,
    long_wait: &LongWait,
    request_headers: &HeaderMap,
) -> Result<Arc<Rendered>, ApiError> {
    let waiter = state.live.enter(caller, WaiterKind::Wait);
    let waiter = waiter.map_err(|exceeded| state.limited(exceeded))?;
    let watch = state.live.watch(&caller.project, id);
    let is_conditional = request_headers.contains_key(IF_NONE_MATCH);
    let is_enough = |export: &Rendered| {
        if is_conditional {
            !etag::matches(request_headers, export.etag())
        } else {
            export.status.is_terminal()
        }
    };
    let export = wait::wait(&waiter, watch, deadline, long_wait, is_enough).await?;
    export.ok_or(ApiError::ExportNotFound)
}

fn respond(request_id: RequestId, request_headers: &HeaderMap, export: &Rendered) -> Response {
    let headers = headers(export.etag(), export.status);
    if etag::matches(request_headers, export.etag()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, Envelope::json(request_id, export.json())).into_response()
}

fn headers(tag: &str, status: ExportStatus) -> HeaderMap {
    let tag = HeaderValue::try_from(tag).expect("hex digits in quotes are a valid header value");
    let mut headers = HeaderMap::from_iter([(ETAG, tag)]);
    if !status.is_terminal() {
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pending_or_processing_export_has_retry_after() {
        for &status in ExportStatus::ALL {
            let headers = headers("W/\"a\"", status);
            assert_eq!(headers.contains_key(RETRY_AFTER), !status.is_terminal());
            assert_eq!(headers[ETAG], "W/\"a\"");
        }
    }
}
