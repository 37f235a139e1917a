//! The commands, one per file. Those of consumers use the HTTP API; those of operators are in `admin`.

mod admin;
mod connection;
mod demo;
mod demo_export;
mod demo_system;
mod dev;
mod export;
mod login;
mod manual;
mod next_steps;
mod old_spelling;
mod open;
mod response;
mod verify;
mod webhook;

use clap::{Parser, Subcommand};

use crate::error::Result;
pub(crate) use old_spelling::current_spelling;

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
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    Open(open::Open),
    #[command(subcommand)]
    Admin(admin::Admin),
    Demo(demo::Demo),
    Dev(dev::Dev),
    Completions(manual::Completions),
    Man(manual::Man),
    /// Prints the help of all commands as one page of Markdown, for the documentation
    #[command(hide = true)]
    Reference,
}

impl Arguments {
    pub(crate) async fn run(self) -> Result<()> {
        match self.command {
            Command::Login(command) => command.run().await,
            Command::Export(command) => command.run().await,
            Command::Verify(command) => command.run(),
            Command::Webhook(command) => command.run().await,
            Command::Open(command) => command.run(),
            Command::Admin(command) => command.run().await,
            Command::Demo(command) => command.run().await,
            Command::Dev(command) => command.run().await,
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
            Command::Reference => manual::reference(),
        }
    }
}
