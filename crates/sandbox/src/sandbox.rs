//! The whole system on this machine, for `exportctl demo` and `dev`: a private PostgreSQL, a folder for the files, and both
//! services as child processes. No variable of the user's environment reaches them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tokio::task::spawn_blocking;
use url::Url;
use uuid::Uuid;

use crate::process::{Process, command, program};
use crate::{LocalPostgres, TemporaryFolder};

const API: &str = "exports-api";
const WORKER: &str = "exports-worker";
const START_LIMIT: Duration = Duration::from_secs(30);
/// Longer than the reaper gives a service.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The running system. The drop ends and removes everything.
#[derive(Debug)]
pub struct Sandbox {
    // Dropped in this order: the reaper waits for services that still run.
    services: Vec<Process>,
    folder: TemporaryFolder,
    postgres: Option<LocalPostgres>,
}

impl Sandbox {
    /// Creates the folder. Fails if a service's program is missing, before the data is seeded, which takes minutes.
    pub async fn new() -> Result<Self> {
        for name in [API, WORKER] {
            program(name)?;
        }
        Ok(Self {
            services: Vec::new(),
            folder: spawn_blocking(|| TemporaryFolder::create("demo")).await??,
            postgres: None,
        })
    }

    /// The temporary folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of the private database.
    pub fn database_url(&self) -> Result<String> {
        let postgres = self.postgres.as_ref();
        let postgres = postgres.ok_or_else(|| anyhow!("PostgreSQL has not been started"))?;
        Ok(postgres.url())
    }

    /// Starts the private PostgreSQL. If the future is dropped, the server is removed when its start is complete.
    pub async fn start_postgres(&mut self) -> Result<()> {
        let started = spawn_blocking(LocalPostgres::start).await;
        let postgres = started.context("PostgreSQL")?.context("PostgreSQL")?;
        self.postgres = Some(postgres);
        Ok(())
    }

    /// Runs a command of `exportctl admin` on the private database and returns its output. Its progress and errors go to this
    /// program's standard error.
    pub async fn admin(&self, arguments: &[&str]) -> Result<String> {
        let name = format!("exportctl admin {}", arguments.join(" "));
        let own = std::env::current_exe().context("cannot find the path of exportctl")?;
        let mut command = command(own);
        command
            .arg("admin")
            .args(arguments)
            .env("DATABASE_URL", self.database_url()?)
            // The audit trail is for the operators of a system that stays.
            .env("RUST_LOG", "warn");
        // A progress bar needs the type of the terminal.
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        let mut process = Process::builder(&name, command)
            .folder(&self.folder)
            .stderr(Stdio::inherit())
            .start()?;
        let status = process.wait().await?;
        ensure!(status.success(), "{name} failed ({status})");
        Ok(process.output().trim_end().to_owned())
    }

    /// Starts both services and returns the API's address.
    pub async fn start_services(&mut self) -> Result<String> {
        let files = self.folder().join("files");
        std::fs::create_dir(&files).context(files.display().to_string())?;
        let store = Url::from_directory_path(&files)
            .map_err(|()| anyhow!("{} is not an absolute path", files.display()))?;
        let common = [
            ("DATABASE_URL", self.database_url()?),
            ("EXPORTS_OBJECT_STORE_URL", store.to_string()),
            ("EXPORTS_LOG_FORMAT", "json".to_owned()),
        ];
        let signing_key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let api = [
            ("EXPORTS_LISTEN", "127.0.0.1:0".to_owned()),
            ("EXPORTS_SIGNING_KEY", signing_key),
        ];
        // Ctrl-C does not wait for an export, because the folder is removed.
        let worker = [("EXPORTS_SHUTDOWN_GRACE", "1s".to_owned())];
        self.start_service(API, common.iter().chain(&api))?;
        self.start_service(WORKER, common.iter().chain(&worker))?;
        self.services[0].wait_for_address(START_LIMIT).await
    }

    fn start_service<'a>(
        &mut self,
        name: &str,
        environment: impl Iterator<Item = &'a (&'static str, String)>,
    ) -> Result<()> {
        let mut command = command(program(name)?);
        command
            .envs(environment.map(|(name, value)| (name, value)))
            .current_dir(self.folder());
        let process = Process::builder(name, command)
            .folder(&self.folder)
            .start()?;
        self.folder
            .allow_shutdown(process.id())
            .context("the reaper has ended")?;
        self.services.push(process);
        Ok(())
    }

    /// Waits until one of the services ends, which is an error.
    pub async fn service_ended(&mut self) -> anyhow::Error {
        let [api, worker] = self.services.as_mut_slice() else {
            return anyhow!("the services have not been started");
        };
        let (name, ended) = tokio::select! {
            ended = api.wait() => (API, ended),
            ended = worker.wait() => (WORKER, ended),
        };
        match ended {
            Ok(status) => anyhow!("{name} ended ({status})"),
            Err(error) => error,
        }
    }

    /// The peak memory of each service, in bytes, where the operating system reports it.
    pub fn peak_memory(&self) -> impl Iterator<Item = (&str, u64)> {
        let services = self.services.iter();
        services.filter_map(|service| Some((service.name(), service.memory().ok()?.peak)))
    }

    /// The last lines of the services' logs.
    pub fn log_tails(&self) -> impl Iterator<Item = String> {
        let services = self.services.iter();
        services.map(|it| format!("the end of the log of {}:\n{}", it.name(), it.log_end()))
    }

    /// Ends and removes everything. Fails if something is left.
    pub async fn stop(mut self) -> Result<()> {
        self.folder.release();
        for service in &mut self.services {
            // The drop kills a service that needs longer.
            let _ = service.wait_within(STOP_LIMIT).await;
        }
        let Self {
            services,
            folder,
            postgres,
        } = self;
        drop(services);
        spawn_blocking(move || {
            let removed = folder.remove();
            postgres.map_or(Ok(()), LocalPostgres::stop)?;
            removed
        })
        .await
        .context("the removal")?
        .context("the removal")
    }
}
