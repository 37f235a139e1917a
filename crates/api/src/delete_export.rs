//! `DELETE /v1/exports/{id}`: delete an export and its files.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use exports_database::Deleted;
use exports_domain::{ExportId, ProjectId, Scope, error_line};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error_code::ErrorCode;
use crate::error_responses::{DocumentedErrors, ErrorResponses};
use crate::path::ExportPath;
use crate::query::NoQuery;
use crate::state::AppState;

/// How many files of an export that is split are deleted at the same time.
const CONCURRENT_DELETES: usize = 8;

struct Errors;

impl DocumentedErrors for Errors {
    const CODES: &'static [ErrorCode] = &[
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::ExportActive,
        ErrorCode::RateLimited,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];
}

/// Delete an export
///
/// Deletes a completed, failed or expired export and its file. Its links stop working at once. After
/// a 503 the export is deleted too, and its file is deleted when the object store is available again.
#[utoipa::path(
    delete,
    path = "/v1/exports/{id}",
    tag = "Exports",
    params(("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
        example = "01935abc-def0-7123-4567-890abcdef012")),
    responses((status = 204, description = "Export and file deleted"), ErrorResponses::<Errors>),
    security(("bearer" = [])),
)]
pub(crate) async fn delete_export(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    ExportPath(id): ExportPath,
    _: NoQuery,
) -> Result<StatusCode, ApiError> {
    caller.require(Scope::Write)?;
    // Otherwise a client that disconnects would leave the file to the janitor.
    let shared = Arc::clone(&state);
    state
        .run_to_completion(async move { delete(&shared, &caller.project, id).await })
        .await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(state: &AppState, project: &ProjectId, id: ExportId) -> Result<(), ApiError> {
    let share = state.pool_shares.take(project).await?;
    let deleted = state.database.delete_export(project, id).await?;
    drop(share);
    let object_keys = match deleted {
        Deleted::Gone { object_keys } => {
            state.changes.announce(project, id);
            object_keys
        }
        Deleted::Active => return Err(ApiError::Active),
        Deleted::Missing => return Err(ApiError::ExportNotFound),
    };
    let deletions = stream::iter(object_keys).map(async |key| delete_object(state, &key).await);
    let deletions = deletions.buffer_unordered(CONCURRENT_DELETES);
    deletions.try_collect::<()>().await?;
    tracing::info!("export deleted");
    Ok(())
}

async fn delete_object(state: &AppState, key: &str) -> Result<(), ApiError> {
    state.store.delete(key).await.map_err(ApiError::Store)?;
    // No worker writes a completed file, so no second cleanup is necessary. If this fails, the janitor repeats the
    // deletion, which succeeds.
    if let Err(error) = state.database.object_deleted(key, Duration::ZERO).await {
        tracing::debug!(
            error = error_line(&error),
            "could not record the deletion of a file"
        );
    }
    Ok(())
}
