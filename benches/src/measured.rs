//! Measures exports: duration, processor time and peak memory, each with its own worker.

use std::time::Duration;

use anyhow::{Result, ensure};
use exports_domain::{FileOptions, MessageFilter};

use crate::fixture::{Database, Exported, Fixture, Store, cluster_cpu_seconds};
use crate::samples::Samples;

/// The project of the messages.
pub(crate) const PROJECT: &str = "proj_bench";

/// The pause between the start of a worker and the measurement.
const AT_REST: Duration = Duration::from_secs(1);

/// The pause after an earlier export. It is shorter, because an idle machine gets slow.
const BETWEEN: Duration = Duration::from_millis(300);

/// A database with messages, the store of the files, and their options.
#[derive(Debug, Clone)]
pub(crate) struct Exporter<'a> {
    pub(crate) fixture: &'a Fixture,
    pub(crate) database: &'a Database,
    pub(crate) store: Store,
    pub(crate) options: FileOptions,
}

/// A completed export.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) exported: Exported,
    /// Processor time of the worker, user and system.
    worker_cpu: f64,
    /// Processor time of all PostgreSQL processes.
    database_cpu: f64,
    /// Of the worker, in bytes.
    pub(crate) peak_memory: u64,
}

/// Repeated exports of the same messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repeated {
    pub(crate) seconds: Samples,
    worker_cpu: Samples,
    database_cpu: Samples,
    /// The maximum, in bytes.
    pub(crate) peak_memory: u64,
    /// The size of the last file, in bytes.
    pub(crate) bytes: u64,
}

impl<'a> Exporter<'a> {
    /// Exports into a new folder.
    pub(crate) fn into_files(fixture: &'a Fixture, database: &'a Database) -> Result<Self> {
        Ok(Self {
            fixture,
            database,
            store: fixture.file_store()?,
            options: FileOptions::default(),
        })
    }

    /// The same with other options.
    pub(crate) fn with(&self, options: FileOptions) -> Self {
        Self {
            options,
            ..self.clone()
        }
    }

    /// Starts a worker for one export and stops it, so its peak memory is that of the export. The file stays.
    pub(crate) async fn export(
        &self,
        filter: &MessageFilter,
        settings: &[(&str, &str)],
    ) -> Result<Measured> {
        self.export_after(None, filter, settings).await
    }

    /// The same; with `before`, the worker runs another export first.
    async fn export_after(
        &self,
        before: Option<&MessageFilter>,
        filter: &MessageFilter,
        settings: &[(&str, &str)],
    ) -> Result<Measured> {
        let pool = self.database.pool();
        let worker = self.fixture.worker(self.database, &self.store, settings);
        let worker = worker.await?;
        tokio::time::sleep(AT_REST).await;
        if let Some(before) = before {
            let exported = self.export_one(before).await?;
            self.store.remove(&exported.object_key)?;
            tokio::time::sleep(BETWEEN).await;
        }
        let worker_before = worker.cpu_seconds()?;
        let database_before = cluster_cpu_seconds(pool).await?;
        let exported = self.export_one(filter).await?;
        let measured = Measured {
            exported,
            worker_cpu: worker.cpu_seconds()? - worker_before,
            database_cpu: cluster_cpu_seconds(pool).await? - database_before,
            peak_memory: worker.peak_memory()?,
        };
        worker.stop().await?;
        Ok(measured)
    }

    async fn export_one(&self, filter: &MessageFilter) -> Result<Exported> {
        let exported = self.database.export(PROJECT, filter, &self.options);
        exported.await
    }

    /// The same with default settings. Checks the number of rows and deletes the file.
    pub(crate) async fn export_rows(&self, filter: &MessageFilter, rows: u64) -> Result<Measured> {
        self.export_rows_after(None, filter, rows).await
    }

    /// The same; with `before`, the worker runs another export first.
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

    /// The same, several times.
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
        self.bytes = measured.exported.bytes.cast_unsigned();
    }

    /// Duration and processor time, for a table.
    pub(crate) fn shown(&self) -> String {
        format!(
            "{}; CPU: worker {:.1} s, database {:.1} s",
            self.seconds.seconds(),
            self.worker_cpu.median(),
            self.database_cpu.median()
        )
    }

    /// Its duration divided by that of `other`.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        self.seconds.median() / other.seconds.median()
    }
}
