//! What `demo` and `dev` have in common: the stack, set up by the commands that an operator types,
//! and a consumer who exports all of it.

use clap::Args;
use indicatif::BinaryBytes;
use uuid::Uuid;

use super::consumer::export_all;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::{note, print};
use crate::signals::Signals;
use exports_sandbox::Sandbox;

const PROJECT: &str = "proj_demo";

/// How much there is to see.
#[derive(Debug, Args)]
pub(super) struct Scene {
    /// How many messages to export
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
}

/// What there is when everything is set up.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) address: String,
    pub(super) key: String,
    pub(super) database_url: String,
    /// An export that is completed.
    pub(super) export: Uuid,
}

impl Scene {
    /// Runs it and then `epilogue`, which a signal does not end by itself; leaves nothing behind,
    /// however it ends.
    pub(super) async fn run(
        self,
        epilogue: impl AsyncFnOnce(&Site, &mut Signals) -> Result<()>,
    ) -> Result<()> {
        let mut signals = Signals::listen()?;
        let mut stack = Sandbox::new().await?;
        let played = tokio::select! {
            biased;
            signal = signals.next() => Err(signal),
            played = self.play(&mut stack) => played,
        };
        let outcome = match played {
            Ok(site) => tokio::select! {
                biased;
                error = stack.service_ended() => Err(error.into()),
                outcome = epilogue(&site, &mut signals) => outcome,
            },
            Err(error) => Err(error),
        };
        if matches!(outcome, Err(Error::Failed { .. })) {
            stack.log_tails().for_each(|tail| note(&tail));
        }
        let stopped = stack.stop().await;
        outcome.and(stopped.map_err(Error::from))
    }

    async fn play(&self, stack: &mut Sandbox) -> Result<Site> {
        let key = self.set_up(stack).await?;
        let address = stack.start_services().await?;
        note(&format!(
            "exports-api and exports-worker are up, the API at {address}"
        ));
        let client = Client::new(&address, &key)?;
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
        Ok(Site {
            address,
            key,
            database_url,
            export,
        })
    }

    /// Everything up to the services. Gives the key.
    async fn set_up(&self, stack: &mut Sandbox) -> Result<String> {
        stack.start_postgres().await?;
        note("a private PostgreSQL is up");
        stack.exportctl(&["migrate"]).await?;
        stack.exportctl(&["project", "create", PROJECT]).await?;
        let key = stack
            .exportctl(&["key", "create", "--project", PROJECT, "--label", "demo"])
            .await?;
        let messages = self.messages.to_string();
        let seed = ["seed", "--project", PROJECT, "--messages", &messages];
        note(&stack.exportctl(&seed).await?);
        Ok(key)
    }
}
