//! `GET /v1/exports/events`: the changes of all exports of a project.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::TimeDelta;
use exports_domain::{ExportId, ProjectId};
use tokio::sync::watch;
use tokio::time::sleep;

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
/// How many of the first exports are read at a time.
const PAGE: usize = 50;
/// The pause after a failed read.
const PAUSE: Duration = Duration::from_millis(500);

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
    let mut first = FirstEvents {
        unread: present(&state, &caller.project).await?,
        project: caller.project,
        last_event_id: last_event_id(&headers),
        sent: HashSet::new(),
        hasher: RandomState::new(),
        state,
    };
    // An error at the start is an error of the request.
    let page = first.next_page().await?;
    Ok(event_stream::response(ProjectEvents {
        waiter,
        log,
        unsent: page,
        first,
    }))
}

/// The exports that are active or were created a moment ago, the oldest first: ids of exports begin with their time.
async fn present(state: &AppState, project: &ProjectId) -> Result<VecDeque<ExportId>, ApiError> {
    let _share = state.pool_shares.take(project).await?;
    let since = state.clock.now() - TimeDelta::minutes(1);
    let projects = std::slice::from_ref(project);
    let recent = state.database.recent_exports(projects, since).await?;
    let mut ids: Vec<_> = recent.into_iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    Ok(ids.into())
}

/// The events at the start of a stream.
///
/// They are read page by page, when the client has taken the page before. So a client that does not read costs the
/// memory of one page, however many exports there are.
struct FirstEvents {
    state: Arc<AppState>,
    project: ProjectId,
    /// The exports that are not read yet.
    unread: VecDeque<ExportId>,
    last_event_id: Option<String>,
    /// The hashes of the events that were sent. The log may have some of them again.
    sent: HashSet<u64>,
    hasher: RandomState,
}

impl FirstEvents {
    /// Reads the next page, and returns the events of its exports that are active.
    async fn next_page(&mut self) -> Result<VecDeque<Bytes>, ApiError> {
        let ids: Vec<_> = self.unread.iter().copied().take(PAGE).collect();
        let share = self.state.pool_shares.take(&self.project).await?;
        let mut exports = self.state.database.get_exports(&ids).await?;
        drop(share);
        self.unread.drain(..ids.len());
        exports.sort_unstable_by_key(|export| (export.created_at, export.id));
        let exports: Vec<_> = exports
            .iter()
            .map(|export| Arc::new(Rendered::of(export)))
            .collect();
        self.state.live.seed_project(&self.project, &exports);
        let mut events = VecDeque::new();
        for export in exports {
            let is_known = self.last_event_id.as_deref() == Some(export.event_id());
            if !export.status.is_terminal() && !is_known {
                let event = export.event();
                self.sent.insert(self.hasher.hash_one(&event));
                events.push_back(event);
            }
        }
        Ok(events)
    }

    /// The same for a stream that is open already: after an error it is tried again.
    async fn next(&mut self) -> VecDeque<Bytes> {
        loop {
            if let Ok(events) = self.next_page().await {
                return events;
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether an event of the log was one of them.
    fn has_sent(&mut self, event: &Bytes) -> bool {
        self.sent.remove(&self.hasher.hash_one(event))
    }
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
    first: FirstEvents,
    log: OpenLog,
    /// Events that were taken and not sent yet.
    unsent: VecDeque<Bytes>,
}

impl Events for ProjectEvents {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.unsent.pop_front() {
                return Some(event);
            }
            self.unsent = tokio::select! {
                biased;
                () = self.waiter.stopping() => return None,
                _ = self.waiter.refused() => return None,
                events = take(&mut self.first, &mut self.log) => events,
            };
        }
    }
}

/// Takes the next events. There may be none.
async fn take(first: &mut FirstEvents, log: &mut OpenLog) -> VecDeque<Bytes> {
    if !first.unread.is_empty() {
        return first.next().await;
    }
    let mut events = VecDeque::from(log.next().await);
    events.retain(|event| !first.has_sent(event));
    events
}
