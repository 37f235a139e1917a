//! `exportctl admin`: the commands of operators. They use the service's database, not the HTTP API.

mod check;
mod database;
mod job;
mod jobs;
mod key;
mod migrate;
mod project;
mod prune;
mod reconcile;
mod sample;
pub(super) mod seed;
mod webhook;

use clap::Subcommand;

use crate::error::Result;

/// Administers an installation: needs its database, not an API key
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    Check(Box<check::Check>),
    Migrate(migrate::Migrate),
    #[command(subcommand)]
    Project(project::Project),
    #[command(subcommand)]
    Key(key::Key),
    Jobs(jobs::Jobs),
    #[command(subcommand)]
    Job(job::Job),
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    Prune(prune::Prune),
    Reconcile(reconcile::Reconcile),
    Seed(seed::Seed),
    Sample(sample::Sample),
}

impl Admin {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Check(command) => command.run().await,
            Self::Migrate(command) => command.run().await,
            Self::Project(command) => command.run().await,
            Self::Key(command) => command.run().await,
            Self::Jobs(command) => command.run().await,
            Self::Job(command) => command.run().await,
            Self::Webhook(command) => command.run().await,
            Self::Prune(command) => command.run().await,
            Self::Reconcile(command) => command.run().await,
            Self::Seed(command) => command.run().await,
            Self::Sample(command) => command.run().await,
        }
    }
}
