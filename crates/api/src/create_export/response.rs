//! The response to a create or a retry: 201 with the export, at once or once it has ended.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use exports_domain::Export;
use exports_service::http_server::LongWait;
use exports_wire::ExportJson;
use tokio::time::{Instant, timeout_at};

use crate::caller::Caller;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::live::{Rendered, Waiter, WaiterKind};
use crate::prefer::Wait;
use crate::request_id::RequestId;
use crate::state::AppState;
use crate::wait::{self, Waited};

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An export that a create, or an earlier one with the same key, has queued.
pub(crate) struct Queued {
    pub(crate) export: Export,
    pub(crate) replayed: bool,
}

impl Queued {
    fn headers(&self, state: &AppState) -> HeaderMap {
        let location = format!("{}/v1/exports/{}", state.public_url, self.export.id);
        let location = HeaderValue::try_from(location).expect("a URL is a valid header value");
        let mut headers = HeaderMap::from_iter([(LOCATION, location)]);
        if self.replayed {
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        headers
    }
}

/// Whether, and how long, the response waits for the end of the export.
pub(crate) struct Waiting(Option<Asked>);

/// What a request that waits has asked for.
struct Asked {
    time: Wait,
    waiter: Waiter,
    long_wait: LongWait,
}

impl Waiting {
    /// Reads the preference of a request. Call it before the export is created, because it may refuse the request.
    pub(crate) fn begin(
        state: &AppState,
        caller: &Caller,
        headers: &HeaderMap,
        long_wait: LongWait,
    ) -> Result<Self, ApiError> {
        let Some(time) = Wait::preferred(headers) else {
            return Ok(Self(None));
        };
        let waiter = state.live.enter(caller, WaiterKind::Wait);
        let waiter = waiter.map_err(|exceeded| state.limited(exceeded))?;
        Ok(Self(Some(Asked {
            time,
            waiter,
            long_wait,
        })))
    }

    /// 201 with the export, and its URL in `Location`.
    pub(crate) async fn respond(
        self,
        state: &AppState,
        id: RequestId,
        queued: &Queued,
    ) -> Response {
        let mut headers = queued.headers(state);
        let Some(asked) = self.0 else {
            let body = Envelope::json(id, ExportJson::from(&queued.export));
            return (StatusCode::CREATED, headers, body).into_response();
        };
        headers.extend([asked.time.applied()]);
        let begun = Instant::now();
        let export = asked.wait(state, &queued.export).await;
        let body = Envelope::json(id, export.json());
        let mut response = (StatusCode::CREATED, headers, body).into_response();
        response.extensions_mut().insert(Waited::since(begun));
        response
    }
}

impl Asked {
    /// The export once it has ended, or after the wait as it is. Whatever fails, the export was created.
    async fn wait(&self, state: &AppState, export: &Export) -> Arc<Rendered> {
        let deadline = Instant::now() + self.time.duration();
        let watch = state.live.watch(&export.project, export.id);
        let is_enough = |export: &Rendered| export.status.is_terminal();
        let waiting = wait::wait(&self.waiter, watch, deadline, &self.long_wait, is_enough);
        // Also at the first read, which may fail.
        match timeout_at(deadline, waiting).await {
            Ok(Ok(Some(latest))) => latest,
            Ok(Ok(None) | Err(_)) | Err(_) => Arc::new(Rendered::of(export)),
        }
    }
}
