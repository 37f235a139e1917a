//! `GET /v1/exports/{id}`: the state of an export.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use exports_domain::ExportStatus;
use exports_wire::ExportJson;
use serde_json::value::to_raw_value;

use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::etag;
use crate::path::ExportPath;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

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
/// completed.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}",
    tag = "Exports",
    params(
        ("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
            example = "01935abc-def0-7123-4567-890abcdef012"),
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
    _: NoQuery,
    request_headers: HeaderMap,
) -> Result<Response, ApiError> {
    let export = state.batch_loader.get(&caller.project, id).await?;
    let export = export.ok_or(ApiError::ExportNotFound)?;
    let data = to_raw_value(&ExportJson::from(&export))
        .expect("an export has only text keys and serializable values");
    let tag = etag::weak(&data);
    let headers = headers(&tag, export.state.status());
    if etag::matches(&request_headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, Envelope::json(request_id, data)).into_response())
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
