//! `GET /v1/exports/{id}/events`: the changes of one export.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::{Instant, sleep_until};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::event_stream::{self, Events, last_event_id};
use crate::live::{Latest, Rendered, Waiter, WaiterKind, Watch, deleted_event};
use crate::path::ExportPath;
use crate::query::NoQuery;
use crate::state::AppState;

/// The least time between two events that differ only in the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

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

/// Stream the changes of an export
///
/// Server-sent events. The first event has the export as it is now. Then there is one event at every change, of the progress at most
/// once a second: `event: export`, `id`, and the export as `data`. If the export is deleted: `event: deleted`, with its `id` as
/// `data`. The server sends a comment every 15 seconds, and closes the stream after the event of an export that has ended.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/events",
    tag = "Exports",
    params(
        ("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
            example = "01935abc-def0-7123-4567-890abcdef012"),
        ("Last-Event-ID" = Option<String>, Header,
            description = "The `id` of the last event: if nothing has changed since, the first event is left out"),
    ),
    responses(
        (status = 200, description = "The events", content_type = "text/event-stream", body = String),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn export_events(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    ExportPath(id): ExportPath,
    _: NoQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let waiter = state.live.enter(&caller, WaiterKind::Stream);
    let waiter = waiter.map_err(|exceeded| state.limited(exceeded))?;
    let mut watch = state.live.watch(&caller.project, id);
    let Latest::Found(first) = watch.first().await? else {
        return Err(ApiError::ExportNotFound);
    };
    let is_known = last_event_id(&headers).is_some_and(|last| last == first.event_id());
    Ok(event_stream::response(ExportEvents {
        waiter,
        watch,
        is_ended: is_known && first.status.is_terminal(),
        sent: is_known.then(|| (first, Instant::now())),
    }))
}

struct ExportEvents {
    waiter: Waiter,
    watch: Watch,
    /// The latest state that the client knows, and since when.
    sent: Option<(Arc<Rendered>, Instant)>,
    is_ended: bool,
}

impl Events for ExportEvents {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_ended {
            return None;
        }
        let latest = tokio::select! {
            biased;
            () = self.waiter.stopping() => return None,
            _ = self.waiter.refused() => return None,
            latest = next_state(&mut self.watch, self.sent.as_ref()) => latest,
        };
        match latest {
            Latest::Found(found) => {
                self.is_ended = found.status.is_terminal();
                let event = found.event();
                self.sent = Some((found, Instant::now()));
                Some(event)
            }
            Latest::Gone => {
                self.is_ended = true;
                Some(deleted_event(self.watch.id()))
            }
        }
    }
}

/// The next state to send. If only the progress has changed, a second after the state before.
async fn next_state(watch: &mut Watch, sent: Option<&(Arc<Rendered>, Instant)>) -> Latest {
    loop {
        let known = sent.map(|(sent, _)| sent.etag());
        let latest = watch.differs_from(known).await;
        let (Latest::Found(found), Some((sent, at))) = (&latest, sent) else {
            return latest;
        };
        let due = *at + PROGRESS_INTERVAL;
        if !sent.is_progress(found) || Instant::now() >= due {
            return latest;
        }
        let found = Arc::clone(found);
        tokio::select! {
            biased;
            _ = watch.differs_from(Some(found.etag())) => {}
            () = sleep_until(due) => {}
        }
    }
}
