//! `DELETE /v1/exports/{id}`: forget an export and delete its file.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use exports_database::Deleted;
use exports_domain::error_line;
use exports_domain::{ExportId, ProjectId};

use crate::error::ApiError;
use crate::path::ExportPath;
use crate::query::NoQuery;
use crate::state::AppState;

/// Delete export
///
/// Deletes an export that is completed, failed or expired, with its file: its links are dead at
/// once. After a 503 the export is gone as well, and its file goes as soon as the object store is
/// back.
#[utoipa::path(
    delete,
    path = "/v1/exports/{id}",
    tag = "Exports",
    params(("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
        example = "01935abc-def0-7123-4567-890abcdef012")),
    responses((status = 204, description = "Export and file deleted")),
    security(("bearer" = [])),
)]
pub(crate) async fn delete_export(
    State(state): State<Arc<AppState>>,
    Extension(project): Extension<ProjectId>,
    ExportPath(id): ExportPath,
    _: NoQuery,
) -> Result<StatusCode, ApiError> {
    // A client that hangs up must not leave the file to the janitor.
    let worker = Arc::clone(&state);
    state
        .detached(async move { delete(&worker, &project, id).await })
        .await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(state: &AppState, project: &ProjectId, id: ExportId) -> Result<(), ApiError> {
    let object_keys = match state.database.delete_export(project, id).await? {
        Deleted::Gone { object_keys } => object_keys,
        Deleted::Active => return Err(ApiError::Active),
        Deleted::Missing => return Err(ApiError::ExportNotFound),
    };
    for key in object_keys {
        state.store.delete(&key).await.map_err(ApiError::Store)?;
        // Nobody writes a finished file any more, so there is no second sweep to wait for. If the
        // note is not taken, the janitor finds nothing to delete and takes it.
        if let Err(error) = state.database.object_deleted(&key, Duration::ZERO).await {
            tracing::warn!(error = error_line(&error), "a deletion was not noted");
        }
    }
    tracing::info!("export deleted");
    Ok(())
}
