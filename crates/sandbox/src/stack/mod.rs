//! The whole system on this machine, for as long as somebody watches: a private PostgreSQL, a
//! folder with the files, and both services as processes of their own.
//!
//! Nothing of the user's environment reaches any of it: every program that works on the private
//! database, this one included, is started with an environment made here.

mod reaper;
mod service;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::LocalPostgres;
use tokio::process::Command;
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use anyhow::{Context, Result, anyhow};
use reaper::Reaper;
use service::Service;

const SERVICES: [&str; 2] = ["exports-api", "exports-worker"];
/// A service that has not started by then will not.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Longer than the reaper lets a service take.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The running system. Dropping it ends and removes everything.
#[derive(Debug)]
pub struct Stack {
    reaper: Reaper,
    postgres: Option<LocalPostgres>,
    services: Vec<Service>,
}

impl Stack {
    /// Nothing yet but the folder, and somebody who removes it. That the services can be started
    /// at all is known from here on, not only after minutes of seeding.
    pub async fn new() -> Result<Self> {
        for name in SERVICES {
            service::program(name)?;
        }
        Ok(Self {
            reaper: Reaper::start().await?,
            postgres: None,
            services: Vec::new(),
        })
    }

    /// The folder that goes when the stack goes.
    pub fn folder(&self) -> &Path {
        self.reaper.folder()
    }

    /// The private database's URL.
    pub fn database_url(&self) -> Result<String> {
        let postgres = self.postgres.as_ref();
        let postgres = postgres.ok_or_else(|| anyhow!("PostgreSQL has not been started"))?;
        Ok(postgres.url())
    }

    /// Starts the private PostgreSQL. If this is given up midway, the server goes as soon as it
    /// has come, before the program ends.
    pub async fn start_postgres(&mut self) -> Result<()> {
        let started = tokio::task::spawn_blocking(LocalPostgres::start).await;
        let postgres = started.context("PostgreSQL")?.context("PostgreSQL")?;
        self.postgres = Some(postgres);
        Ok(())
    }

    /// Runs a command of `exportctl` on the private database, as an operator would, and gives what
    /// it prints. Its progress and errors go where this program's go.
    pub async fn exportctl(&self, arguments: &[&str]) -> Result<String> {
        let own = std::env::current_exe().context("cannot find out where exportctl lies")?;
        let mut command = Command::new(own);
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", self.database_url()?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        // What a progress bar has to know about the terminal.
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        let failed = || format!("exportctl {}", arguments.join(" "));
        let process = self.reaper.spawn(&mut command).context(failed())?;
        let output = process.wait_with_output().await.context(failed())?;
        if !output.status.success() {
            let failed = failed();
            return Err(anyhow!("{failed} failed ({})", output.status));
        }
        let printed = String::from_utf8(output.stdout).context(failed())?;
        Ok(printed.trim_end().to_owned())
    }

    /// Starts both services on the private database and a folder of files. Gives the API's address.
    pub async fn start_services(&mut self) -> Result<String> {
        let files = self.folder().join("files");
        std::fs::create_dir(&files).context(files.display().to_string())?;
        let store = Url::from_directory_path(&files)
            .map_err(|()| anyhow!("{} is no absolute path", files.display()))?;
        let common = [
            ("DATABASE_URL", self.database_url()?),
            ("EXPORTS_OBJECT_STORE_URL", store.to_string()),
            ("EXPORTS_LOG_FORMAT", "json".to_owned()),
        ];
        let signing_key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let mut of_api = common.to_vec();
        of_api.push(("EXPORTS_LISTEN", "127.0.0.1:0".to_owned()));
        of_api.push(("EXPORTS_SIGNING_KEY", signing_key));
        let mut of_worker = common.to_vec();
        // Whoever presses Ctrl-C does not want to wait for an export that goes with the folder.
        of_worker.push(("EXPORTS_SHUTDOWN_GRACE", "1s".to_owned()));
        for (name, environment) in SERVICES.into_iter().zip([of_api, of_worker]) {
            let service = Service::start(name, &environment, &mut self.reaper).await?;
            self.services.push(service);
        }
        let api = self.services.first_mut();
        let api = api.ok_or_else(|| anyhow!("no service was started"))?;
        match timeout(START_LIMIT, api.address()).await {
            Ok(address) => address,
            Err(_) => Err(anyhow!(
                "exports-api was not ready after {} s",
                START_LIMIT.as_secs()
            )),
        }
    }

    /// Waits until one of the services ends, which none should.
    pub async fn service_ended(&mut self) -> anyhow::Error {
        match self.services.as_mut_slice() {
            [api, worker] => tokio::select! {
                error = api.ended() => error,
                error = worker.ended() => error,
            },
            _ => anyhow!("the services have not been started"),
        }
    }

    /// The most memory that each service has had so far, in bytes, where the system tells.
    pub fn peak_memory(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let services = self.services.iter();
        services.filter_map(|service| Some((service.name(), service.peak_memory()?)))
    }

    /// The ends of the services' logs.
    pub fn log_tails(&self) -> impl Iterator<Item = String> {
        self.services.iter().map(Service::tail)
    }

    /// Ends and removes everything, and says if something was left.
    pub async fn stop(mut self) -> Result<()> {
        self.reaper.release();
        for service in &mut self.services {
            // One that takes longer is killed, by the reaper and by its drop.
            if let Ok(ended) = timeout(STOP_LIMIT, service.wait()).await {
                ended?;
            }
        }
        self.services.clear();
        let guarded = self.reaper.finish().await;
        let postgres = match self.postgres.take() {
            Some(postgres) => tokio::task::spawn_blocking(|| postgres.stop())
                .await
                .context("PostgreSQL")?
                .context("PostgreSQL"),
            None => Ok(()),
        };
        guarded.and(postgres)
    }
}
