//! `POST /v1/exports/estimate`: how large an export would be.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use exports_domain::{Direction, ProjectId};
use exports_source::RowCount;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::body::Body;
use crate::caller::Caller;
use crate::create_export::request::{ExportRequest, parse};
use crate::create_export::request_schema::CreateExport;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::query::Query;
use crate::request_id::RequestId;
use crate::state::AppState;

/// Estimates at a time, in this process. Each has a connection to the source that is not from the pool.
pub(crate) const MAX_ESTIMATES: usize = 2;
/// The limit for one estimate, and for the wait for its turn, together a little less than a second.
const LIMIT: Duration = Duration::from_millis(700);
const WAIT: Duration = Duration::from_millis(200);

/// The bytes of a row of ordinary messages: ids, URL, three times, numbers, and an error in few of them. Inbound rows also have
/// `total_delivery_ms`.
const OUTBOUND_ROW_BYTES: u64 = 200;
const INBOUND_ROW_BYTES: u64 = 205;
/// What a worker on a small machine writes into an object store (`docs/performance.md`).
const ROWS_PER_SECOND: u64 = 1_000_000;

/// The running estimates.
#[derive(Debug)]
pub(crate) struct Estimates(Semaphore);

impl Default for Estimates {
    fn default() -> Self {
        Self(Semaphore::new(MAX_ESTIMATES))
    }
}

/// How large an export would be.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ExportEstimate)]
pub(crate) struct EstimateJson {
    /// Number of rows
    #[schema(example = 120_000)]
    row_count: u64,
    /// Size of the file in bytes, as a CSV with all columns and without compression: 200 for each row (inbound: 205), which fits
    /// messages of which few have errors
    #[schema(example = 24_000_000)]
    file_size_bytes: u64,
    /// Whether the rows were counted: only if there are fewer than 10,000. Otherwise `row_count` is from the statistics of the
    /// database
    #[schema(example = false)]
    exact: bool,
    /// From the start of the export to its completion, in seconds, at a million rows per second; without the time in the queue
    #[schema(example = 1)]
    duration_seconds: u64,
}

impl EstimateJson {
    fn new(direction: Direction, count: RowCount) -> Self {
        let row_bytes = match direction {
            Direction::Outbound => OUTBOUND_ROW_BYTES,
            Direction::Inbound => INBOUND_ROW_BYTES,
        };
        Self {
            row_count: count.rows,
            // An export without rows has a header.
            file_size_bytes: count.rows.saturating_mul(row_bytes).max(row_bytes),
            exact: count.is_exact,
            duration_seconds: count.rows.div_ceil(ROWS_PER_SECOND).max(1),
        }
    }
}

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::EndpointNotFound,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::PayloadTooLarge,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Estimate an export
///
/// Says within a second how large an export of this request would be. Creates nothing. Below 10,000 rows the number is exact,
/// unless counting them takes too long.
#[utoipa::path(
    post,
    path = "/v1/exports/estimate",
    tag = "Exports",
    request_body(content = CreateExport, content_type = "application/json", example = json!({
        "start_time": "2025-12-01T00:00:00Z",
        "end_time": "2025-12-06T23:59:59Z",
    })),
    responses(
        (status = 200, description = "The estimate", body = Envelope<EstimateJson>, example = json!({
            "data": {
                "row_count": 120_000,
                "file_size_bytes": 24_000_000,
                "exact": false,
                "duration_seconds": 1,
            },
            "meta": { "request_id": "req_xyz123" },
        })),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn estimate_export(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    Body(body): Body,
) -> Result<Response, ApiError> {
    Query::read(query.as_deref(), &[]).finish()?;
    let request = parse(&body)?;
    let estimate = estimate(&state, &caller.project, &request).await?;
    Ok(Envelope::json(request_id, estimate).into_response())
}

async fn estimate(
    state: &AppState,
    project: &ProjectId,
    request: &ExportRequest,
) -> Result<EstimateJson, ApiError> {
    let filter = &request.filter;
    let _turn = match timeout(WAIT, state.estimates.0.acquire()).await {
        Ok(turn) => turn.expect("the semaphore is never closed"),
        Err(_) => return Err(ApiError::TooManyEstimates),
    };
    state.require_endpoints(project, filter).await?;
    let count = state.source.count_rows(project, filter, LIMIT).await?;
    Ok(EstimateJson::new(filter.direction, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_duration_follow_from_the_rows() {
        let estimate = |direction, rows| {
            let count = RowCount {
                rows,
                is_exact: false,
            };
            let json = EstimateJson::new(direction, count);
            (json.file_size_bytes, json.duration_seconds)
        };
        assert_eq!(estimate(Direction::Outbound, 120_000), (24_000_000, 1));
        assert_eq!(estimate(Direction::Outbound, 0), (200, 1));
        assert_eq!(estimate(Direction::Inbound, 4_000_001), (820_000_205, 5));
    }
}
