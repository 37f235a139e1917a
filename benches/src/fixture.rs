//! The fixture of the benchmarks: a private PostgreSQL, databases, the services as child processes, and a folder for files.
//! The reaper of `exports_sandbox` removes all of it, however the benchmark ends.

mod database;
mod programs;
mod service;
mod store;
mod usage;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use exports_sandbox::{LocalPostgres, TemporaryFolder};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::spawn_blocking;

pub(crate) use database::{Database, Exported};
pub(crate) use service::Service;
pub(crate) use store::Store;
pub(crate) use usage::{cluster_cpu_seconds, mebibytes};

/// With `--quick`, sizes are divided by this.
const QUICK: u64 = 20;

/// The limits of the API's consumers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limits {
    Off,
    /// Every limit is on, and so high that no load reaches it.
    AboveTheLoad,
}

impl Limits {
    fn variables(self) -> [(&'static str, &'static str); 4] {
        let (rate, count) = match self {
            Self::Off => ("off", "off"),
            Self::AboveTheLoad => ("1000000/s", "1000000000"),
        };
        [
            ("EXPORTS_REQUESTS_PER_KEY", rate),
            ("EXPORTS_CREATES_PER_PROJECT", rate),
            ("EXPORTS_MAX_ACTIVE_PER_PROJECT", count),
            ("EXPORTS_MAX_STORED_BYTES_PER_PROJECT", count),
        ]
    }
}

/// The drop ends and removes everything; [`Fixture::stop`] also reports what could not be removed.
#[derive(Debug)]
pub(crate) struct Fixture {
    // Dropped in this order: the programs first, then the server that they use.
    folder: TemporaryFolder,
    admin: PgPool,
    postgres: LocalPostgres,
    quick: bool,
    limits: Limits,
    /// The number of names given so far.
    named: AtomicU32,
}

impl Fixture {
    pub(crate) async fn start(quick: bool, limits: Limits) -> Result<Self> {
        let postgres = spawn_blocking(LocalPostgres::start).await??;
        // Checked now, not after half of the measurements.
        postgres
            .program("psql")
            .context("psql is not installed, and exports are compared with it")?;
        let folder = spawn_blocking(|| TemporaryFolder::create("bench")).await??;
        let admin = PgPoolOptions::new()
            .max_connections(2)
            .connect(&postgres.url())
            .await?;
        // For indexes on millions of rows. No measured statement sorts.
        sqlx::raw_sql("ALTER SYSTEM SET maintenance_work_mem = '512MB'")
            .execute(&admin)
            .await?;
        sqlx::raw_sql("SELECT pg_reload_conf()")
            .execute(&admin)
            .await?;
        Ok(Self {
            folder,
            admin,
            postgres,
            quick,
            limits,
            named: AtomicU32::new(0),
        })
    }

    /// Whether the run is `--quick`.
    pub(crate) fn quick(&self) -> bool {
        self.quick
    }

    /// A number of rows or exports, divided by 20 with `--quick`.
    pub(crate) fn scaled(&self, full: u64) -> u64 {
        if self.quick {
            (full / QUICK).max(1)
        } else {
            full
        }
    }

    /// The maintenance database, as superuser.
    pub(crate) fn admin(&self) -> &PgPool {
        &self.admin
    }

    /// The temporary folder, on the disk that files are written to.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new database with the service's tables.
    pub(crate) async fn database(&self) -> Result<Database> {
        let name = self.next_name("bench");
        let url = self.postgres.url_for(&name);
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&self.admin)
            .await?;
        // On the heap, because every topic has this future in its own.
        let database = Box::pin(Database::connect(name, url)).await?;
        self.exportctl_admin(&database, &["migrate"]).await?;
        Ok(database)
    }

    /// Drops a database, to free its disk space.
    pub(crate) async fn drop_database(&self, database: Database) -> Result<()> {
        let name = database.name().to_owned();
        database.close().await;
        let sql = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&self.admin)
            .await?;
        Ok(())
    }

    /// A new folder for files, as the service's store.
    pub(crate) fn file_store(&self) -> Result<Store> {
        Store::in_folder(self.folder().join(self.next_name("files")))
    }

    /// Runs a command of `exportctl admin` on a database, and returns its output.
    pub(crate) async fn exportctl_admin(
        &self,
        database: &Database,
        arguments: &[&str],
    ) -> Result<String> {
        let mut command = self.program("exportctl")?;
        command.arg("admin").args(arguments);
        command.env("DATABASE_URL", database.url());
        let output = self.run(command).await?;
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Creates a project with a key, and returns the key.
    pub(crate) async fn project(&self, database: &Database, project: &str) -> Result<String> {
        self.exportctl_admin(database, &["project", "create", project])
            .await?;
        self.exportctl_admin(database, &["key", "create", "--project", project])
            .await
    }

    /// Starts a worker with settings beyond the defaults.
    pub(crate) async fn worker(
        &self,
        database: &Database,
        store: &Store,
        settings: &[(&str, &str)],
    ) -> Result<Service> {
        let command = self.service_command("exports-worker", database, store, settings)?;
        Service::worker(command, &self.folder).await
    }

    /// Starts an API on a free port: [`Service::address`].
    pub(crate) async fn api(
        &self,
        database: &Database,
        store: &Store,
        settings: &[(&str, &str)],
    ) -> Result<Service> {
        let mut all = self.limits.variables().to_vec();
        all.extend_from_slice(settings);
        let mut command = self.service_command("exports-api", database, store, &all)?;
        command.env("EXPORTS_LISTEN", "127.0.0.1:0").env(
            "EXPORTS_SIGNING_KEY",
            "a key for benchmarks that is long enough",
        );
        Service::api(command, &self.folder).await
    }

    /// Ends and removes everything. Fails if something is left.
    pub(crate) async fn stop(self) -> Result<()> {
        let Self {
            folder,
            admin,
            postgres,
            ..
        } = self;
        admin.close().await;
        spawn_blocking(move || {
            let removed = folder.remove();
            postgres.stop()?;
            removed
        })
        .await??;
        Ok(())
    }

    fn service_command(
        &self,
        name: &str,
        database: &Database,
        store: &Store,
        settings: &[(&str, &str)],
    ) -> Result<Command> {
        let mut command = self.program(name)?;
        command
            .env("DATABASE_URL", database.url())
            .env("EXPORTS_LOG_FORMAT", "json")
            .envs(store.variables())
            .envs(settings.iter().copied());
        Ok(command)
    }

    fn next_name(&self, kind: &str) -> String {
        let number = self.named.fetch_add(1, Ordering::Relaxed);
        format!("{kind}_{number}")
    }
}
