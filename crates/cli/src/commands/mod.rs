//! The commands, one in each file, and what several of them need.

mod check;
mod demo_export;
mod demo;
mod dev;
mod job;
mod jobs;
mod key;
mod key_table;
mod migrate;
mod project;
mod prune;
mod demo_system;
mod seed;

use clap::{Parser, Subcommand};
use exports_database::{Database, MigrationState};
use exports_domain::ProjectId;
use exports_postgres::PoolPurpose;
use exports_service::settings::{DatabaseSettings, ExposeSecret};

use crate::error::{Context, Error, Result};

/// Sets up and looks after exports
#[derive(Debug, Parser)]
#[command(name = "exportctl", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Only commands that work on a database of somebody's flatten `DatabaseSettings`: the demo must
/// not so much as read its address.
#[derive(Debug, Subcommand)]
enum Command {
    Check(Box<check::Check>),
    Migrate(migrate::Migrate),
    #[command(subcommand)]
    Project(project::Project),
    #[command(subcommand)]
    Key(key::Key),
    Jobs(jobs::Jobs),
    #[command(subcommand)]
    Job(job::Job),
    Prune(prune::Prune),
    Seed(seed::Seed),
    Demo(demo::Demo),
    Dev(dev::Dev),
}

impl Arguments {
    pub(crate) async fn run(self) -> Result<()> {
        match self.command {
            Command::Check(command) => command.run().await,
            Command::Migrate(command) => command.run().await,
            Command::Project(command) => command.run().await,
            Command::Key(command) => command.run().await,
            Command::Jobs(command) => command.run().await,
            Command::Job(command) => command.run().await,
            Command::Prune(command) => command.run().await,
            Command::Seed(command) => command.run().await,
            Command::Demo(command) => command.run().await,
            Command::Dev(command) => command.run().await,
        }
    }
}

/// The service's database, reachable.
async fn connect(settings: &DatabaseSettings) -> Result<Database> {
    let url = settings.database_url.expose_secret();
    let database = Database::new(url, PoolPurpose::Command).context("DATABASE_URL")?;
    database.check().await.context("DATABASE_URL")?;
    Ok(database)
}

/// The service's database, reachable and with the schema of this version.
async fn open(settings: &DatabaseSettings) -> Result<Database> {
    let database = connect(settings).await?;
    match database.migration_state().await.context("DATABASE_URL")? {
        MigrationState::Current => Ok(database),
        state @ (MigrationState::Behind { .. } | MigrationState::Foreign { .. }) => {
            Err(Error::new(state.to_string()))
        }
    }
}

fn unknown(project: &ProjectId) -> Error {
    Error::new(format!(
        "there is no project {project}: create it with 'exportctl project create {project}'"
    ))
}
