//! The shared state of the handlers.

use std::sync::Arc;

use axum::body::Bytes;
use exports_database::{BatchLoader, Changes, Database};
use exports_domain::{Clock, Exceeded, Limits, MessageFilter, ProjectId};
use exports_objects::{LinkSigner, Store};
use exports_service::outage::Outage;
use exports_service::readiness::Readiness;
use exports_service::start::Started;
use exports_service::traces::Tracer;
use exports_service::webhooks::WebhookNetworks;
use exports_source::Source;
use exports_wire::ManifestKey;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::api_key_cache::ApiKeyCache;
use crate::audit::Audit;
use crate::error::ApiError;
use crate::estimate_export::Estimates;
use crate::file_readers::FileReaders;
use crate::limits::{ActiveRoom, CreateQuotas, KeyLookups, PoolShares, RefusalDelay, RequestRates};
use crate::live::Hub;
use crate::metrics::ApiMetrics;
use crate::middleware::cors::Cors;

pub(crate) struct AppState {
    pub(crate) database: Database,
    pub(crate) batch_loader: BatchLoader,
    /// Announces the exports that this process changes.
    pub(crate) changes: Changes,
    /// The requests that wait for changes.
    pub(crate) live: Arc<Hub>,
    pub(crate) source: Source,
    pub(crate) api_keys: ApiKeyCache,
    pub(crate) key_lookups: Arc<KeyLookups>,
    pub(crate) refusal_delay: RefusalDelay,
    /// The limits of projects that have none of their own.
    pub(crate) limits: Limits,
    pub(crate) request_rates: RequestRates,
    pub(crate) create_quotas: CreateQuotas,
    pub(crate) active_room: Arc<ActiveRoom>,
    pub(crate) pool_shares: Arc<PoolShares>,
    pub(crate) readiness: Readiness,
    pub(crate) audit: Audit,
    pub(crate) store: Store,
    /// Signs links to `/files/{id}`. Required with a store that does not sign links.
    pub(crate) signer: Option<LinkSigner>,
    /// Signs manifests.
    pub(crate) manifest_key: Option<ManifestKey>,
    /// The running downloads of `/files/{id}`.
    pub(crate) file_readers: Arc<FileReaders>,
    pub(crate) estimates: Estimates,
    /// The address of the API as consumers see it, without a trailing slash.
    pub(crate) public_url: String,
    pub(crate) clock: Arc<dyn Clock>,
    /// Tasks that continue when the client disconnects. A shutdown waits for them.
    pub(crate) tasks: TaskTracker,
    pub(crate) metrics: Arc<ApiMetrics>,
    pub(crate) openapi_document: Bytes,
    pub(crate) started: Started,
    pub(crate) store_outage: Outage,
    /// Web pages of other origins that may use the API.
    pub(crate) cors: Option<Arc<Cors>>,
    /// Whether `/console` is served.
    pub(crate) console: bool,
    /// Whether `/docs` is served.
    pub(crate) docs: bool,
    pub(crate) tracer: Tracer,
    /// Where webhooks may lead.
    pub(crate) webhook_networks: WebhookNetworks,
}

impl AppState {
    /// The error of a request that exceeds a limit. Counts it.
    pub(crate) fn limited(&self, exceeded: Exceeded) -> ApiError {
        self.metrics.limited.inc(exceeded.limit());
        ApiError::Limited(exceeded)
    }

    /// An error unless the project has all endpoints of a filter.
    pub(crate) async fn require_endpoints(
        &self,
        project: &ProjectId,
        filter: &MessageFilter,
    ) -> Result<(), ApiError> {
        let endpoints = filter.endpoint.values();
        if endpoints.is_empty() {
            return Ok(());
        }
        let found = self
            .source
            .has_endpoints(project, filter.direction, endpoints)
            .await?;
        if found {
            Ok(())
        } else {
            Err(ApiError::EndpointNotFound)
        }
    }

    /// Runs `work` to completion, even if the client disconnects.
    pub(crate) async fn run_to_completion<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        // These tasks are never aborted, so the only possible error is a panic.
        let task = self.tasks.spawn(work.in_current_span());
        task.await.map_err(|_| ApiError::Panicked)
    }
}
