//! `GET /healthz` and `GET /readyz`: for whoever watches the process.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use exports_database::MigrationState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::request_id::RequestId;
use crate::state::AppState;

/// Probes give up soon, so the answer has to come sooner.
const LIMIT: Duration = Duration::from_secs(2);

/// The process's state
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

type Answer = Json<Envelope<Health>>;

fn ok(id: RequestId) -> Answer {
    Envelope::json(id, Health { status: "ok" })
}

/// Is the process up?
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Operation",
    responses((status = 200, description = "It is", body = Envelope<Health>)),
)]
pub(crate) async fn healthz(Extension(id): Extension<RequestId>) -> Answer {
    ok(id)
}

/// Can requests be served?
///
/// That is: the database is reachable and its schema is this version's.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Operation",
    responses((status = 200, description = "They can", body = Envelope<Health>)),
)]
pub(crate) async fn readyz(
    State(state): State<Arc<AppState>>,
    Extension(id): Extension<RequestId>,
) -> Result<Answer, ApiError> {
    let timed_out = |_| ApiError::TimedOut {
        seconds: LIMIT.as_secs(),
    };
    tokio::time::timeout(LIMIT, check(&state))
        .await
        .map_err(timed_out)??;
    Ok(ok(id))
}

/// Asked anew each time, though the start has asked too: the address may lead to another database
/// by now.
async fn check(state: &AppState) -> Result<(), ApiError> {
    match state.database.migration_state().await? {
        MigrationState::Current => Ok(()),
        state => Err(ApiError::Schema(state)),
    }
}
