//! `GET /v1/exports/{id}/manifest`: the files of an export, with their sizes and digests.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use exports_domain::{Export, ExportStatus};
use exports_wire::ManifestJson;

use crate::caller::Caller;
use crate::download_export::FileErrors;
use crate::envelope::Envelope;
use crate::error::ApiError;
use crate::error_responses::ErrorResponses;
use crate::path::ExportPath;
use crate::query::NoQuery;
use crate::request_id::RequestId;
use crate::state::AppState;

/// Get the manifest of an export
///
/// The export and its files, with names, sizes, row counts and SHA-256 digests. If the service has a key for it, the manifest is
/// signed: `exportctl verify` checks it and the files, also years later and offline. The public key is at
/// `/.well-known/exports-manifest-key`.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/manifest",
    tag = "Exports",
    params(
        ("id" = Uuid, Path, description = "Export job identifier (UUIDv7)",
            example = "01935abc-def0-7123-4567-890abcdef012"),
    ),
    responses(
        (status = 200, description = "The manifest", body = Envelope<ManifestJson>, example = json!({
            "data": {
                "export": {
                    "id": "01935abc-def0-7123-4567-890abcdef012",
                    "project_id": "proj_abc123",
                    "status": "completed",
                    "direction": "outbound",
                    "filter_start_time": "2025-12-01T00:00:00Z",
                    "filter_end_time": "2025-12-06T23:59:59Z",
                    "row_count": 5000,
                    "file_size_bytes": 1_024_000,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "attempt": 1,
                    "started_at": "2025-12-06T12:00:30Z",
                    "completed_at": "2025-12-06T12:05:00Z",
                    "expires_at": "2025-12-13T12:05:00Z",
                    "created_at": "2025-12-06T12:00:00Z",
                },
                "files": [{
                    "number": 1,
                    "name": "export-01935abc-def0-7123-4567-890abcdef012.csv",
                    "row_count": 5000,
                    "file_size_bytes": 1_024_000,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                }],
                "generated_at": "2025-12-06T12:10:00Z",
            },
            "meta": { "request_id": "req_xyz123" },
        })),
        ErrorResponses::<FileErrors>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn get_manifest(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    ExportPath(id): ExportPath,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let export = state.batch_loader.get(&caller.project, id).await?;
    respond(&state, request_id, &export.ok_or(ApiError::ExportNotFound)?)
}

/// The manifest of an export that is completed.
pub(crate) fn respond(
    state: &AppState,
    request_id: RequestId,
    export: &Export,
) -> Result<Response, ApiError> {
    match ManifestJson::of(export, state.clock.now(), state.manifest_key.as_ref()) {
        Some(manifest) => Ok(Envelope::json(request_id, manifest).into_response()),
        None => Err(match export.state.status() {
            ExportStatus::Expired => ApiError::Expired,
            status => ApiError::NotReady(status),
        }),
    }
}
