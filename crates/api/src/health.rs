//! `GET /healthz` and `GET /readyz`: liveness and readiness.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use exports_database::MigrationState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::request_id::RequestId;
use crate::state::AppState;

/// Shorter than the usual timeout of a probe.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The state of the process
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

type HealthResponse = Json<Envelope<Health>>;

fn ok(id: RequestId) -> HealthResponse {
    Envelope::json(id, Health { status: "ok" })
}

/// Liveness
///
/// The process is running.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Operation",
    responses((status = 200, description = "The process is running", body = Envelope<Health>)),
)]
pub(crate) async fn healthz(Extension(id): Extension<RequestId>) -> HealthResponse {
    ok(id)
}

struct ReadyErrors;

impl DocumentedErrors for ReadyErrors {
    const CODES: &'static [ErrorCode] = &[ErrorCode::InternalError, ErrorCode::Unavailable];
}

/// Readiness
///
/// The database is reachable and has the schema of this version.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Operation",
    responses(
        (status = 200, description = "The service is ready", body = Envelope<Health>),
        ErrorResponses::<ReadyErrors>,
    ),
)]
pub(crate) async fn readyz(
    State(state): State<Arc<AppState>>,
    Extension(id): Extension<RequestId>,
) -> Result<HealthResponse, ApiError> {
    let timed_out = |_| ApiError::TimedOut {
        seconds: TIMEOUT.as_secs(),
    };
    tokio::time::timeout(TIMEOUT, check(&state))
        .await
        .map_err(timed_out)??;
    Ok(ok(id))
}

/// Checks the schema each time, because the address may lead to another database since the start.
async fn check(state: &AppState) -> Result<(), ApiError> {
    match state.database.migration_state().await? {
        MigrationState::Current => Ok(()),
        state => Err(ApiError::Schema(state)),
    }
}
