//! The runtime context that the tasks of a worker share.

use std::sync::Arc;
use std::time::Duration;

use exports_database::{Changes, Database};
use exports_objects::Store;
use exports_service::metrics::Registry;
use exports_service::outage::Outage;
use exports_service::rights::Rights;
use exports_service::settings::WorkerSettings;
use exports_service::start::Dependencies;
use exports_service::traces::Tracer;
use exports_source::SessionPool;

use crate::lease_checks::LeaseChecks;
use crate::metrics::WorkerMetrics;

/// Dependencies, settings and metrics of a worker. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) database: Database,
    /// Announces the exports that this worker changes.
    pub(crate) changes: Changes,
    /// Names the rights that are missing when a statement is refused.
    pub(crate) rights: Rights,
    pub(crate) sessions: SessionPool,
    pub(crate) store: Store,
    pub(crate) settings: WorkerSettings,
    /// How many sessions read one large export at the same time.
    pub(crate) readers: u16,
    /// The running attempts, which notifications can reach.
    pub(crate) lease_checks: LeaseChecks,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) outages: Outages,
    pub(crate) tracer: Tracer,
    /// The name of this process, in `lease_owner` and in logs.
    pub(crate) name: String,
}

/// What fails for many exports at once is logged once.
#[derive(Debug, Clone)]
pub(crate) struct Outages {
    pub(crate) source: Outage,
    pub(crate) store: Outage,
    /// Claims, sweeps and claims of deliveries that the database refuses. Its own outages are logged for all activities together.
    pub(crate) claims: Outage,
    pub(crate) sweeps: Outage,
    pub(crate) webhooks: Outage,
}

impl Outages {
    fn new() -> Self {
        Self {
            source: Outage::of("the source of messages"),
            store: Outage::of("the object store"),
            claims: Outage::of_activity("the claim"),
            sweeps: Outage::of_activity("the sweep"),
            webhooks: Outage::of_activity("the claim of webhook deliveries"),
        }
    }
}

impl Context {
    pub(crate) fn new(
        dependencies: Dependencies,
        settings: WorkerSettings,
        registry: &Registry,
        tracer: Tracer,
    ) -> Self {
        let Dependencies {
            database,
            rights,
            source,
            store,
            ..
        } = dependencies;
        let source = source.with_stall_timeout(settings.stall_timeout);
        let readers = settings.readers.unwrap_or_else(default_readers);
        Self {
            changes: Changes::new(database.clone()),
            database,
            rights,
            sessions: SessionPool::new(source, settings.concurrency, readers),
            store,
            readers,
            settings,
            lease_checks: LeaseChecks::default(),
            metrics: Arc::new(WorkerMetrics::new(registry)),
            outages: Outages::new(),
            tracer,
            name: process_name(),
        }
    }
}

/// One per core, because the database server often has as many cores. At most four: they read faster than
/// the file can be hashed.
fn default_readers() -> u16 {
    std::thread::available_parallelism()
        .map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(u16::MAX))
        .min(4)
}

/// `host-pid`.
fn process_name() -> String {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|host| host.into_string().ok())
        .unwrap_or_else(|| "worker".to_owned());
    format!("{host}-{}", std::process::id())
}

/// The pause with up to 25 % of jitter, so that workers that started together do not act together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}
