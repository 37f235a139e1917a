//! The layer of the audit trail.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;

use crate::audit::{Action, ActionLine, Refusal, Subject};
use crate::error::ApiError;
use crate::state::AppState;

/// The layer.
pub(crate) fn audit(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> impl Future<Output = Response> {
    let Some(action) = Action::of(&request) else {
        return next.run(request).left_future();
    };
    let (origin, subject) = (state.audit.origin(&request), Subject::default());
    request.extensions_mut().insert(subject.clone());
    let mut line = ActionLine::begin(action, origin, subject.clone());
    let responding = next.run(request).inspect(move |response| {
        line.ended(response);
        if action == Action::DownloadFile
            && let Some(refusal) = link_refusal(response)
        {
            state.audit.refused(origin, &subject, refusal);
        }
    });
    responding.right_future()
}

/// Why a link was refused, if that concerns the right to use it.
fn link_refusal(response: &Response) -> Option<Refusal> {
    let error = response.extensions().get::<Arc<ApiError>>()?;
    match **error {
        ApiError::InvalidSignature => Some(Refusal::InvalidSignature),
        ApiError::ProjectSuspended => Some(Refusal::ProjectSuspended),
        _ => None,
    }
}
