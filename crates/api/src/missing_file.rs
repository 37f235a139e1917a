//! The file of a completed export that is no longer in the store.
//!
//! A bucket's lifecycle rule, a restore or a person can remove a file early. Nothing brings it back, so the export expires
//! now: it reads as `expired` from then on, and consumers can create it again.

use std::time::Duration;

use exports_domain::{ExportId, error_line};

use crate::error::ApiError;
use crate::state::AppState;

/// A slower store does not delay the redirect any longer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the store says that the file does not exist. Any other answer, or none in time, counts as `false`: the link then
/// leads to the store, which decides.
pub(crate) async fn is_missing(state: &AppState, object_key: &str) -> bool {
    match tokio::time::timeout(TIMEOUT, state.store.is_missing(object_key)).await {
        Ok(Ok(is_missing)) => is_missing,
        Ok(Err(error)) => {
            tracing::debug!(
                error = error_line(&error),
                "the file could not be looked up"
            );
            false
        }
        Err(_) => {
            tracing::debug!("the file could not be looked up within {TIMEOUT:?}");
            false
        }
    }
}

/// Expires an export whose file is missing. Returns the error of the request.
pub(crate) async fn expire(state: &AppState, id: ExportId, object_key: &str) -> ApiError {
    let (database, key) = (state.database.clone(), object_key.to_owned());
    let expired = async move { database.expire_file(id, &key).await };
    match state.run_to_completion(expired).await {
        Ok(Ok(true)) => {
            state.metrics.files_missing.inc();
            tracing::warn!(
                export.id = %id,
                object.key = object_key,
                "the file of a completed export is missing from the store: the export expires now"
            );
        }
        // Another request was first, or the export has ended by itself.
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::error!(
            export.id = %id,
            object.key = object_key,
            error = error_line(&error),
            "the file of a completed export is missing from the store, and the export could not be expired: \
             run 'exportctl admin migrate' with --api-role if a right is missing"
        ),
        Err(error) => return error,
    }
    ApiError::Expired
}
