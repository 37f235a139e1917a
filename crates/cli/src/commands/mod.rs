//! The commands, one per file.

mod admin;
mod check;
mod connection;
mod demo;
mod demo_export;
mod demo_system;
mod dev;
mod export;
mod job;
mod jobs;
mod key;
mod login;
mod migrate;
mod project;
mod prune;
mod seed;
mod verify;
mod webhook;

use clap::{Parser, Subcommand};
use exports_database::{Database, MigrationState};
use exports_domain::ProjectId;
use exports_postgres::PoolPurpose;
use exports_service::settings::{DatabaseSettings, ExposeSecret};
use exports_service::start::{database_error, in_variable, statement_error};

use crate::error::{Error, Result};

const DATABASE: &str = "DATABASE_URL";

/// Creates and downloads exports, and administers the exports service
#[derive(Debug, Parser)]
#[command(name = "exportctl", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// `demo` and `dev` do not flatten `DatabaseSettings`: they must not read the user's database URL.
#[derive(Debug, Subcommand)]
enum Command {
    Login(login::Login),
    #[command(subcommand)]
    Export(export::Export),
    Verify(verify::Verify),
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
    #[command(subcommand)]
    Admin(admin::Admin),
    Seed(seed::Seed),
    Demo(demo::Demo),
    Dev(dev::Dev),
}

impl Arguments {
    pub(crate) async fn run(self) -> Result<()> {
        match self.command {
            Command::Login(command) => command.run().await,
            Command::Export(command) => command.run().await,
            Command::Check(command) => command.run().await,
            Command::Migrate(command) => command.run().await,
            Command::Project(command) => command.run().await,
            Command::Key(command) => command.run().await,
            Command::Jobs(command) => command.run().await,
            Command::Job(command) => command.run().await,
            Command::Webhook(command) => command.run().await,
            Command::Prune(command) => command.run().await,
            Command::Verify(command) => command.run(),
            Command::Admin(command) => command.run().await,
            Command::Seed(command) => command.run().await,
            Command::Demo(command) => command.run().await,
            Command::Dev(command) => command.run().await,
        }
    }
}

/// Connects to the service's database.
async fn connect(settings: &DatabaseSettings) -> Result<Database> {
    let url = settings.database_url.expose_secret();
    let database = Database::new(url, PoolPurpose::Command).map_err(in_variable(DATABASE))?;
    let checked = database.check().await;
    checked.map_err(|error| database_error(DATABASE, &error))?;
    Ok(database)
}

/// Connects to the service's database and checks that all migrations are applied.
async fn open(settings: &DatabaseSettings) -> Result<Database> {
    let database = connect(settings).await?;
    let state = database.migration_state().await;
    match state.map_err(|error| statement_error(DATABASE, &error))? {
        MigrationState::Current => Ok(database),
        state @ (MigrationState::Behind { .. } | MigrationState::Foreign { .. }) => {
            Err(in_variable(DATABASE)(state).into())
        }
    }
}

fn unknown_project(project: &ProjectId) -> Error {
    Error::new(format!(
        "project {project} does not exist: create it with 'exportctl project create {project}'"
    ))
}
