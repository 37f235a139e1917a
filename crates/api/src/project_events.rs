//! `GET /v1/exports/events`: the changes of all exports of a project.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::TimeDelta;
use exports_domain::{ExportId, ProjectId};
use tokio::sync::watch;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::event_stream::{self, Events, last_event_id};
use crate::live::{Hub, Rendered, Waiter, WaiterKind};
use crate::query::NoQuery;
use crate::state::AppState;

/// How many events are taken at a time.
const BATCH: usize = 16;

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

/// Stream the changes of all exports
///
/// Server-sent events. The first events are the exports that are pending or processing. Then there is one event at every change of
/// an export of the project, of its progress at most once a second: `event: export`, `id`, and the export as `data`. If an export is
/// deleted: `event: deleted`, with its `id` as `data`. The server sends a comment every 15 seconds, and never closes the stream,
/// except when it stops.
#[utoipa::path(
    get,
    path = "/v1/exports/events",
    tag = "Exports",
    params(
        ("Last-Event-ID" = Option<String>, Header,
            description = "The `id` of the last event: if its export has not changed since, that event is not repeated"),
    ),
    responses(
        (status = 200, description = "The events", content_type = "text/event-stream", body = String),
        ErrorResponses::<Errors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn project_events(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    _: NoQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let waiter = state.live.enter(&caller, WaiterKind::Stream);
    let waiter = waiter.map_err(|exceeded| state.limited(exceeded))?;
    // Before the first read, so that no change is missed.
    let log = OpenLog::open(&state.live, &caller.project);
    let present = present(&state, &caller.project).await?;
    state.live.seed_project(&caller.project, &present);
    let last_event_id = last_event_id(&headers);
    let active = present.iter().filter(|export| !export.status.is_terminal());
    let first: VecDeque<_> = active
        .filter(|export| last_event_id.as_deref() != Some(export.event_id()))
        .map(|export| export.event())
        .collect();
    Ok(event_stream::response(ProjectEvents {
        waiter,
        sent_first: first.iter().cloned().collect(),
        waiting: first,
        log,
    }))
}

/// The exports that are active or were created a moment ago, the oldest first.
async fn present(state: &AppState, project: &ProjectId) -> Result<Vec<Arc<Rendered>>, ApiError> {
    let share = state.pool_shares.take(project).await?;
    let database = &state.database;
    let since = state.clock.now() - TimeDelta::minutes(1);
    let recent = database
        .recent_exports(std::slice::from_ref(project), since)
        .await?;
    let ids: Vec<ExportId> = recent.into_iter().map(|(_, id)| id).collect();
    let mut exports = database.get_exports(&ids).await?;
    drop(share);
    exports.sort_unstable_by_key(|export| (export.created_at, export.id));
    Ok(exports
        .iter()
        .map(|export| Arc::new(Rendered::of(export)))
        .collect())
}

/// The log of a project, which exists while it has streams.
struct OpenLog {
    hub: Arc<Hub>,
    project: ProjectId,
    latest: watch::Receiver<u64>,
    /// The number of the last event that was taken.
    taken: u64,
}

impl OpenLog {
    fn open(hub: &Arc<Hub>, project: &ProjectId) -> Self {
        let mut latest = hub.open_project(project);
        let taken = *latest.borrow_and_update();
        Self {
            hub: Arc::clone(hub),
            project: project.clone(),
            latest,
            taken,
        }
    }

    /// Waits for the next events.
    async fn next(&mut self) -> Vec<Bytes> {
        let taken = self.taken;
        // The sender lives as long as the log.
        self.latest.wait_for(|latest| *latest > taken).await.ok();
        let (events, last) = self.hub.project_events(&self.project, taken, BATCH);
        // The latest event was replaced by one that comes next.
        self.taken = if events.is_empty() { taken } else { last };
        events
    }
}

impl Drop for OpenLog {
    fn drop(&mut self) {
        self.hub.close_project(&self.project);
    }
}

struct ProjectEvents {
    waiter: Waiter,
    log: OpenLog,
    waiting: VecDeque<Bytes>,
    /// The events at the start. The log may have some of them again.
    sent_first: HashSet<Bytes>,
}

impl Events for ProjectEvents {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let events = tokio::select! {
                biased;
                () = self.waiter.stopping() => return None,
                _ = self.waiter.refused() => return None,
                events = self.log.next() => events,
            };
            for event in events {
                if !self.sent_first.remove(&event) {
                    self.waiting.push_back(event);
                }
            }
        }
    }
}
