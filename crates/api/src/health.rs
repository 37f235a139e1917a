//! `GET /healthz` and `GET /readyz`: liveness and readiness.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use exports_database::{Database, Error as DatabaseError, MigrationState};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::request_id::RequestId;
use crate::state::AppState;

/// Shorter than the usual timeout of a probe.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long the result of a check is used.
const MAX_AGE: Duration = Duration::from_secs(1);

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
/// The database is reachable and has the schema of this version. The answer is at most a second old.
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
    state.readiness.check(&state.database).await?;
    Ok(ok(id))
}

/// The result of the last check. `/readyz` needs no key, so however often it is requested, the database is queried
/// at most once per [`MAX_AGE`], and by one request at a time.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Outcome)>>);

#[derive(Debug, Clone)]
enum Outcome {
    Ready,
    Schema(MigrationState),
    Failed(Arc<DatabaseError>),
    TimedOut,
}

impl Readiness {
    async fn check(&self, database: &Database) -> Result<(), ApiError> {
        let mut last = self.0.lock().await;
        let outcome = match &*last {
            Some((at, outcome)) if at.elapsed() < MAX_AGE => outcome.clone(),
            Some(_) | None => {
                let outcome = Outcome::of(database).await;
                *last = Some((Instant::now(), outcome.clone()));
                outcome
            }
        };
        drop(last);
        outcome.into()
    }
}

impl Outcome {
    /// Checks the schema each time, because the address may lead to another database since the start.
    async fn of(database: &Database) -> Self {
        match timeout(TIMEOUT, database.migration_state()).await {
            Ok(Ok(MigrationState::Current)) => Self::Ready,
            Ok(Ok(state)) => Self::Schema(state),
            Ok(Err(error)) => Self::Failed(Arc::new(error)),
            Err(_) => Self::TimedOut,
        }
    }
}

impl From<Outcome> for Result<(), ApiError> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ready => Ok(()),
            Outcome::Schema(state) => Err(ApiError::Schema(state)),
            Outcome::Failed(error) => Err(error.into()),
            Outcome::TimedOut => Err(ApiError::TimedOut {
                seconds: TIMEOUT.as_secs(),
            }),
        }
    }
}
