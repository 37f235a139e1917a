//! The system that `demo` and `dev` run: private services and a database, set up with the commands of
//! an operator, and an export of all messages.

use clap::Args;
use exports_service::settings::number;
use indicatif::BinaryBytes;
use uuid::Uuid;

use super::demo_export::export_all;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::{note, print};
use crate::signals::Signals;
use exports_sandbox::Sandbox;

const PROJECT: &str = "proj_demo";

/// Options of the system.
#[derive(Debug, Args)]
pub(super) struct DemoSystem {
    /// How many messages to export
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000, value_parser = number(1_u64..=1_000_000_000_000))]
    pub(super) messages: u64,
}

/// The running system after the export.
#[derive(Debug)]
pub(super) struct RunningSystem {
    pub(super) address: String,
    pub(super) key: String,
    pub(super) database_url: String,
    /// A completed export.
    pub(super) export: Uuid,
}

impl DemoSystem {
    /// Starts the system, exports all messages, runs `use_system`, and removes the system, also after
    /// errors and signals. A signal does not interrupt `use_system`.
    pub(super) async fn run(
        self,
        use_system: impl AsyncFnOnce(&RunningSystem, &mut Signals) -> Result<()>,
    ) -> Result<()> {
        let mut signals = Signals::listen()?;
        let mut stack = Sandbox::new().await?;
        let started = tokio::select! {
            biased;
            signal = signals.next() => Err(signal),
            started = self.start(&mut stack) => started,
        };
        let outcome = match started {
            Ok(system) => tokio::select! {
                biased;
                error = stack.service_ended() => Err(error.into()),
                outcome = use_system(&system, &mut signals) => outcome,
            },
            Err(error) => Err(error),
        };
        if matches!(outcome, Err(Error::Failed { .. })) {
            stack.log_tails().for_each(|tail| note(&tail));
        }
        let stopped = stack.stop().await;
        outcome.and(stopped.map_err(Error::from))
    }

    async fn start(&self, stack: &mut Sandbox) -> Result<RunningSystem> {
        let key = self.set_up(stack).await?;
        let address = stack.start_services().await?;
        note(&format!(
            "exports-api and exports-worker are running, the API at {address}"
        ));
        let client = Client::local(&address, &key)?;
        let folder = stack.folder().to_owned();
        let export = tokio::select! {
            biased;
            error = stack.service_ended() => return Err(error.into()),
            export = export_all(&client, &folder, self.messages) => export?,
        };
        for (name, peak) in stack.peak_memory() {
            print(&format!("peak memory of {name}: {}", BinaryBytes(peak)))?;
        }
        let database_url = stack.database_url()?;
        Ok(RunningSystem {
            address,
            key,
            database_url,
            export,
        })
    }

    /// Starts the database and seeds it. Returns the API key.
    async fn set_up(&self, stack: &mut Sandbox) -> Result<String> {
        stack.start_postgres().await?;
        note("a private PostgreSQL is running");
        stack.admin(&["migrate"]).await?;
        stack.admin(&["project", "create", PROJECT]).await?;
        let key = stack
            .admin(&["key", "create", "--project", PROJECT, "--label", "demo"])
            .await?;
        let messages = self.messages.to_string();
        let seed = ["seed", "--project", PROJECT, "--messages", &messages];
        note(&stack.admin(&seed).await?);
        Ok(key)
    }
}
