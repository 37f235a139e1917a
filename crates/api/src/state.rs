//! What the handlers share.

use std::sync::Arc;

use axum::body::Bytes;
use exports_database::{BatchLoader, Database};
use exports_domain::Clock;
use exports_objects::{LinkSigner, Store};
use exports_source::Source;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::api_key_cache::KeyCache;
use crate::error::ApiError;
use crate::metrics::ApiMetrics;

pub(crate) struct AppState {
    pub(crate) database: Database,
    pub(crate) lookups: BatchLoader,
    pub(crate) source: Source,
    pub(crate) keys: KeyCache,
    pub(crate) store: Store,
    /// Signs the links to this API's own route of files. A store that does not sign its own needs it.
    pub(crate) signer: Option<LinkSigner>,
    /// The API's address as consumers see it, without a slash at its end.
    pub(crate) public_url: String,
    pub(crate) clock: Arc<dyn Clock>,
    /// Work that goes on when its client hangs up; a shutdown waits for it.
    pub(crate) tasks: TaskTracker,
    pub(crate) metrics: Arc<ApiMetrics>,
    /// The `OpenAPI` document.
    pub(crate) document: Bytes,
}

impl AppState {
    /// Does `work` to its end, whether or not anybody waits for it.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        // Nobody aborts these tasks, so all that can go wrong is a panic.
        let done = self.tasks.spawn(work.in_current_span());
        done.await.map_err(|_| ApiError::Panicked)
    }
}
