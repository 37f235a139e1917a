//! What is measured on: a private PostgreSQL, databases of the benchmark's own, the real programs
//! as processes, and a folder for files. Owns all of it: nothing is left when the scene ends, in
//! whatever way it ends.

mod database;
mod programs;
mod service;
mod store;
mod usage;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use exports_sandbox::{LocalPostgres, TemporaryFolder};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::spawn_blocking;

pub(crate) use database::{Database, Exported};
pub(crate) use service::Service;
pub(crate) use store::Store;
pub(crate) use usage::{cluster_cpu_seconds, mebibytes};

/// With `--quick`, one row or export for so many.
const QUICK: u64 = 20;

/// Dropping it ends and removes everything, [`Scene::stop`] says if something was left.
#[derive(Debug)]
pub(crate) struct Scene {
    // Dropped in this order: first the programs, then the server that they use.
    folder: TemporaryFolder,
    admin: PgPool,
    postgres: LocalPostgres,
    quick: bool,
    /// How many things with a name of their own there have been.
    named: AtomicU32,
}

impl Scene {
    pub(crate) async fn start(quick: bool) -> Result<Self> {
        let postgres = spawn_blocking(LocalPostgres::start).await??;
        // Said now, and not after half of the measurements.
        postgres
            .program("psql")
            .context("psql is not installed: it is what exports are measured against")?;
        let folder = spawn_blocking(|| TemporaryFolder::create("bench")).await??;
        let admin = PgPoolOptions::new()
            .max_connections(2)
            .connect(&postgres.url())
            .await?;
        // Indexes of millions of rows are made here. Nothing that is measured sorts.
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
            named: AtomicU32::new(0),
        })
    }

    /// Whether this run only tries the benchmarks out.
    pub(crate) fn quick(&self) -> bool {
        self.quick
    }

    /// So many rows or exports, or a twentieth of them where this run only tries the benchmarks.
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

    /// The folder that goes with the scene, on the disk that files are written to.
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
        let database = Database::connect(name, url).await?;
        self.exportctl(&database, &["migrate"]).await?;
        Ok(database)
    }

    /// Frees the disk that a database took.
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

    /// Runs a command of `exportctl` on a database, as an operator would; gives what it prints.
    pub(crate) async fn exportctl(
        &self,
        database: &Database,
        arguments: &[&str],
    ) -> Result<String> {
        let mut command = self.program("exportctl")?;
        command.args(arguments).env("DATABASE_URL", database.url());
        let output = self.run(command).await?;
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Makes a project and gives a key that opens it.
    pub(crate) async fn project(&self, database: &Database, project: &str) -> Result<String> {
        self.exportctl(database, &["project", "create", project])
            .await?;
        self.exportctl(database, &["key", "create", "--project", project])
            .await
    }

    /// Starts a worker, with settings beyond the defaults if need be.
    pub(crate) async fn worker(
        &self,
        database: &Database,
        store: &Store,
        settings: &[(&str, &str)],
    ) -> Result<Service> {
        let command = self.service_command("exports-worker", database, store, settings)?;
        let mut service = self.start_service("worker", command)?;
        service.wait_for_event("worker started").await?;
        Ok(service)
    }

    /// Starts an API on a free port; [`Service::address`] says which.
    pub(crate) async fn api(
        &self,
        database: &Database,
        store: &Store,
        settings: &[(&str, &str)],
    ) -> Result<Service> {
        let mut command = self.service_command("exports-api", database, store, settings)?;
        command.env("EXPORTS_LISTEN", "127.0.0.1:0");
        command.env(
            "EXPORTS_SIGNING_KEY",
            "a key for benchmarks that is long enough",
        );
        let mut service = self.start_service("api", command)?;
        service.find_address().await?;
        Ok(service)
    }

    /// Ends and removes everything.
    pub(crate) async fn stop(self) -> Result<()> {
        let Self {
            folder,
            admin,
            postgres,
            ..
        } = self;
        admin.close().await;
        let path = folder.path().to_owned();
        spawn_blocking(move || {
            drop(folder);
            postgres.stop()
        })
        .await??;
        if path.exists() {
            bail!("{} could not be removed", path.display());
        }
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

    fn start_service(&self, name: &'static str, command: Command) -> Result<Service> {
        let log = self
            .folder()
            .join(self.next_name(name))
            .with_extension("log");
        Service::start(name, command, log, &self.folder)
    }

    fn next_name(&self, kind: &str) -> String {
        let number = self.named.fetch_add(1, Ordering::Relaxed);
        format!("{kind}_{number}")
    }
}
