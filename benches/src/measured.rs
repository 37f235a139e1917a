//! One export by a worker of its own: how long it took, and what it cost whom.

use anyhow::Result;
use exports_domain::MessageFilter;

use crate::samples::Samples;
use crate::scene::{Database, Exported, Scene, Store, cluster_cpu_seconds};

/// An export that is completed.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) exported: Exported,
    /// Processor time of the worker, user and system.
    pub(crate) worker_cpu: f64,
    /// Processor time of all of PostgreSQL's processes.
    pub(crate) database_cpu: f64,
    /// The worker's, in bytes.
    pub(crate) peak_memory: u64,
}

/// Starts a worker, exports once with it, and ends it: nobody else takes the export, and its peak
/// memory is this export's. The file stays.
pub(crate) async fn export(
    scene: &Scene,
    database: &Database,
    store: &Store,
    settings: &[(&str, &str)],
    project: &str,
    filter: &MessageFilter,
) -> Result<Measured> {
    let worker = scene.worker(database, store, settings).await?;
    let worker_before = worker.cpu_seconds()?;
    let database_before = cluster_cpu_seconds(database.pool()).await?;
    let exported = database.export(project, filter).await?;
    let measured = Measured {
        exported,
        worker_cpu: worker.cpu_seconds()? - worker_before,
        database_cpu: cluster_cpu_seconds(database.pool()).await? - database_before,
        peak_memory: worker.peak_memory()?,
    };
    worker.stop().await?;
    Ok(measured)
}

/// Several exports of the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repeated {
    pub(crate) seconds: Samples,
    pub(crate) worker_cpu: Samples,
    pub(crate) database_cpu: Samples,
    /// Of all of them, in bytes.
    pub(crate) peak_memory: u64,
}

impl Repeated {
    pub(crate) fn add(&mut self, measured: &Measured) {
        self.seconds.add(measured.exported.seconds);
        self.worker_cpu.add(measured.worker_cpu);
        self.database_cpu.add(measured.database_cpu);
        self.peak_memory = self.peak_memory.max(measured.peak_memory);
    }

    /// Time and processor time, for a table.
    pub(crate) fn shown(&self) -> String {
        format!(
            "{}; CPU: worker {:.1} s, database {:.1} s",
            self.seconds.seconds(),
            self.worker_cpu.median(),
            self.database_cpu.median()
        )
    }
}
