//! Exports by workers of their own: how long they took, and what they cost whom.

use std::time::Duration;

use anyhow::{Result, ensure};
use exports_domain::MessageFilter;

use crate::samples::Samples;
use crate::scene::{Database, Exported, Scene, Store, cluster_cpu_seconds};

/// Whose messages are exported.
pub(crate) const PROJECT: &str = "proj_bench";

/// How long a worker has rested before it is measured: no export pays for what came before.
const AT_REST: Duration = Duration::from_secs(1);

/// The same for a worker that has had an export. A machine that has nothing to do for long is slow
/// when it has again.
const BETWEEN: Duration = Duration::from_millis(300);

/// Where exports are made, and where their files go.
#[derive(Debug)]
pub(crate) struct Exporter<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) database: &'a Database,
    pub(crate) store: Store,
}

/// An export that is completed.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) exported: Exported,
    /// Processor time of the worker, user and system.
    worker_cpu: f64,
    /// Processor time of all of PostgreSQL's processes.
    database_cpu: f64,
    /// The worker's, in bytes.
    peak_memory: u64,
}

/// Several exports of the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repeated {
    pub(crate) seconds: Samples,
    worker_cpu: Samples,
    database_cpu: Samples,
    /// The most of all of them, in bytes.
    pub(crate) peak_memory: u64,
}

impl<'a> Exporter<'a> {
    /// Into a folder of its own.
    pub(crate) fn into_files(scene: &'a Scene, database: &'a Database) -> Result<Self> {
        Ok(Self {
            scene,
            database,
            store: scene.file_store()?,
        })
    }

    /// Starts a worker, exports once with it, and ends it: nobody else takes the export, and its
    /// peak memory is this export's. The file stays.
    pub(crate) async fn export(
        &self,
        filter: &MessageFilter,
        settings: &[(&str, &str)],
    ) -> Result<Measured> {
        self.export_after(None, filter, settings).await
    }

    /// The same, perhaps by a worker that has had another export before.
    async fn export_after(
        &self,
        before: Option<&MessageFilter>,
        filter: &MessageFilter,
        settings: &[(&str, &str)],
    ) -> Result<Measured> {
        let pool = self.database.pool();
        let worker = self.scene.worker(self.database, &self.store, settings);
        let worker = worker.await?;
        tokio::time::sleep(AT_REST).await;
        if let Some(before) = before {
            let exported = self.database.export(PROJECT, before).await?;
            self.store.remove(&exported.object_key)?;
            tokio::time::sleep(BETWEEN).await;
        }
        let worker_before = worker.cpu_seconds()?;
        let database_before = cluster_cpu_seconds(pool).await?;
        let exported = self.database.export(PROJECT, filter).await?;
        let measured = Measured {
            exported,
            worker_cpu: worker.cpu_seconds()? - worker_before,
            database_cpu: cluster_cpu_seconds(pool).await? - database_before,
            peak_memory: worker.peak_memory()?,
        };
        worker.stop().await?;
        Ok(measured)
    }

    /// The same at the worker's defaults, into files, which do not stay. It has to have so many rows.
    pub(crate) async fn export_rows(&self, filter: &MessageFilter, rows: u64) -> Result<Measured> {
        self.export_rows_after(None, filter, rows).await
    }

    /// The same, perhaps by a worker that has had another export before.
    pub(crate) async fn export_rows_after(
        &self,
        before: Option<&MessageFilter>,
        filter: &MessageFilter,
        rows: u64,
    ) -> Result<Measured> {
        let measured = self.export_after(before, filter, &[]).await?;
        let exported = measured.exported.rows;
        ensure!(
            exported.cast_unsigned() == rows,
            "{exported} rows were exported instead of {rows}"
        );
        self.store.remove(&measured.exported.object_key)?;
        Ok(measured)
    }

    /// That several times.
    pub(crate) async fn repeat(
        &self,
        filter: &MessageFilter,
        rows: u64,
        rounds: usize,
    ) -> Result<Repeated> {
        let mut repeated = Repeated::default();
        for _ in 0..rounds {
            repeated.add(&self.export_rows(filter, rows).await?);
        }
        Ok(repeated)
    }
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

    /// Its time in that of `other`.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        self.seconds.median() / other.seconds.median()
    }
}
