//! `GET /healthz` and `GET /readyz`: liveness and readiness.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use exports_service::readiness::{TIMEOUT, Unready};
use serde::Serialize;
use utoipa::ToSchema;

use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::request_id::RequestId;
use crate::state::AppState;

/// The state of the process
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`
    #[schema(example = "ok")]
    status: &'static str,
}

type HealthResponse = Json<Envelope<Health>>;

fn ok(id: RequestId) -> HealthResponse {
    Envelope::json(id, Health { status: "ok" })
}

/// Check that the process runs
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

/// Check that the service is ready
///
/// The database is reachable, has the schema of this version, and gives the service its rights. The answer is at most a second old.
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
    state.readiness.check().await?;
    Ok(ok(id))
}

impl From<Unready> for ApiError {
    /// The consumer sees nothing of the reason; [`Readiness`](exports_service::readiness::Readiness) logs missing rights.
    fn from(reason: Unready) -> Self {
        match reason {
            Unready::Schema(state) => Self::Schema(state),
            Unready::Rights(missing) => Self::Rights(missing),
            Unready::Failed(error) => error.into(),
            Unready::TimedOut => Self::TimedOut {
                seconds: TIMEOUT.as_secs(),
            },
        }
    }
}
