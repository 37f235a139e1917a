//! `GET /v1/exports`: the exports of a project, newest first.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header::{HeaderValue, LINK};
use axum::response::{AppendHeaders, IntoResponse};
use axum::{Extension, Json};
use exports_database::ListRequest;
use exports_domain::ExportStatus;
use exports_wire::{ExportJson, ExportStatusSchema};
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::cursor;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::query::Query;
use crate::request_id::RequestId;
use crate::state::AppState;

/// A page of exports
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportList {
    /// The newest first
    data: Vec<ExportJson>,
    meta: ListMeta,
}

/// About the request and the next page
#[derive(Debug, Serialize, ToSchema)]
struct ListMeta {
    request_id: RequestId,
    /// Whether there are more exports after this page
    has_more: bool,
    /// The `cursor` of the next page, if there is one
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The maximum and the default, because clients of the compatible API have no pagination.
pub(crate) const MAX_LIMIT: u16 = 500;

fn parse(raw: Option<&str>) -> Result<ListRequest, ApiError> {
    let mut query = Query::read(raw, &["limit", "cursor", "status"]);
    let limit = query.value("limit", limit);
    let after = query.value("cursor", |text| {
        cursor::decode(text).ok_or_else(|| "must be a meta.next_cursor of this list".to_owned())
    });
    let status = query.value("status", |name| {
        name.parse::<ExportStatus>()
            .map_err(|error| format!("must be one of {}", error.known()))
    });
    query.finish()?;
    Ok(ListRequest {
        limit: limit.unwrap_or(MAX_LIMIT),
        after,
        status,
    })
}

fn limit(text: &str) -> Result<u16, String> {
    // `parse` alone accepts a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|limit| digits && (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| format!("must be a number from 1 to {MAX_LIMIT}"))
}

/// The `Link` to the next page (RFC 8288): the same request, with another cursor.
fn next_page(public_url: &str, raw: Option<&str>, cursor: &str) -> HeaderValue {
    let given = form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(given.filter(|(name, _)| name != "cursor"))
        .append_pair("cursor", cursor)
        .finish();
    let link = format!("<{public_url}/v1/exports?{query}>; rel=\"next\"");
    HeaderValue::try_from(link).expect("a URL in brackets is a valid header value")
}

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// List the exports
///
/// The exports of the project, newest first, in pages.
#[utoipa::path(
    get,
    path = "/v1/exports",
    tag = "Exports",
    params(
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 500,
            description = "The maximum number of exports; default 500"),
        ("cursor" = Option<String>, Query, min_length = 1,
            description = "`meta.next_cursor` of the previous page"),
        ("status" = Option<ExportStatusSchema>, Query, description = "Only exports with this status"),
    ),
    responses(
        (status = 200, description = "A page of exports", body = ExportList, headers(
            ("Link" = String, description = "The URL of the next page, if there is one: `<…>; rel=\"next\"` (RFC 8288)"),
        ), example = json!({
            "data": [{
                "id": "01935abc-def0-7123-4567-890abcdef012",
                "project_id": "proj_abc123",
                "status": "processing",
                "direction": "inbound",
                "filter_start_time": "2025-12-01T00:00:00Z",
                "filter_end_time": "2025-12-06T23:59:59Z",
                "filter_statuses": ["pending_retry", "failed_permanent"],
                "attempt": 1,
                "started_at": "2025-12-06T12:00:30Z",
                "created_at": "2025-12-06T12:00:00Z",
            }],
            "meta": { "request_id": "req_xyz123", "has_more": false },
        })),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn list_exports(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> Result<impl IntoResponse, ApiError> {
    let request = parse(raw.as_deref())?;
    let share = state.pool_shares.take(&caller.project).await?;
    let page = state
        .database
        .list_exports(&caller.project, request)
        .await?;
    drop(share);
    let next_cursor = page.next.as_ref().map(cursor::encode);
    let next = next_cursor.as_deref();
    let next = next.map(|cursor| next_page(&state.public_url, raw.as_deref(), cursor));
    let list = Json(ExportList {
        data: page.exports.iter().map(ExportJson::from).collect(),
        meta: ListMeta {
            request_id,
            has_more: next_cursor.is_some(),
            next_cursor,
        },
    });
    Ok((AppendHeaders(next.map(|next| (LINK, next))), list))
}

#[cfg(test)]
mod tests {
    use exports_database::Cursor;
    use exports_domain::ExportId;

    use super::*;

    fn refusal(raw: &str) -> String {
        parse(Some(raw)).unwrap_err().message()
    }

    #[test]
    fn the_default_limit_is_500() {
        let request = parse(None).unwrap();
        assert_eq!(request.limit, 500);
        assert!(request.after.is_none() && request.status.is_none());
    }

    #[test]
    fn parameters_are_parsed() {
        let cursor = Cursor {
            created_at: "2025-12-06T12:00:00.123456Z".parse().unwrap(),
            id: ExportId::generate(),
        };
        let raw = format!("limit=1&status=expired&cursor={}", cursor::encode(&cursor));
        let request = parse(Some(&raw)).unwrap();
        assert_eq!(request.limit, 1);
        assert_eq!(request.status, Some(ExportStatus::Expired));
        assert_eq!(request.after, Some(cursor));
    }

    #[test]
    fn the_next_page_has_the_same_parameters() {
        let next = |raw| next_page("https://example.com/api", raw, "01ab");
        assert_eq!(
            next(None),
            "<https://example.com/api/v1/exports?cursor=01ab>; rel=\"next\""
        );
        assert_eq!(
            next(Some("status=expired&cursor=00&limit=1")),
            "<https://example.com/api/v1/exports?status=expired&limit=1&cursor=01ab>; rel=\"next\""
        );
        assert!(
            next(Some("a=%3E%0A"))
                .to_str()
                .unwrap()
                .contains("?a=%3E%0A&cursor=")
        );
    }

    #[test]
    fn errors_name_the_parameter() {
        for bad in ["0", "501", "-1", "%2B5", "1.0", "x", "70000", "%F0"] {
            assert_eq!(
                refusal(&format!("limit={bad}")),
                "limit must be a number from 1 to 500"
            );
        }
        assert_eq!(
            refusal("cursor=abc"),
            "cursor must be a meta.next_cursor of this list"
        );
        assert_eq!(
            refusal("status=done"),
            "status must be one of pending, processing, completed, failed, expired"
        );
        assert!(refusal("page=2").contains("limit, cursor, status"));
        assert_eq!(
            refusal("status=done&page=2&limit=0"),
            "limit must be a number from 1 to 500; \
             status must be one of pending, processing, completed, failed, expired; \
             unknown query parameter \"page\": this operation takes limit, cursor, status"
        );
    }
}
