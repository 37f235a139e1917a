//! `exportctl admin project`.

mod delete;
mod limits;
mod list;
mod suspend;

use clap::{Args, Subcommand};
use exports_domain::ProjectId;
use exports_service::settings::{DatabaseSettings, LogSettings};

use super::database::open;
use crate::audit::{Audit, Change};
use crate::error::{Context, Result};
use crate::output::print;

/// Manages projects
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum Project {
    Create(Create),
    List(list::List),
    Suspend(suspend::Suspend),
    Resume(suspend::Resume),
    Delete(delete::Delete),
    Limits(Box<limits::Limits>),
}

impl Project {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Create(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Suspend(command) => command.run().await,
            Self::Resume(command) => command.run().await,
            Self::Delete(command) => command.run().await,
            Self::Limits(command) => command.run().await,
        }
    }
}

/// Creates a project, if it does not exist
#[derive(Debug, Args)]
pub(in crate::commands) struct Create {
    /// `proj_` and 1 to 64 letters, digits, '_' or '-'
    #[arg(value_name = "PROJECT")]
    project: ProjectId,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Create {
    async fn run(self) -> Result<()> {
        let project = &self.project;
        let database = open(&self.database).await?;
        let audit = Audit::open(&self.log)?;
        let created = database.create_project(project).await;
        if !created.context("cannot create the project")? {
            return print(&format!("{project} already exists"));
        }
        audit.done(Change::of_project("project.create", project));
        print(&format!("created {project}"))
    }
}

/// A number of things: "1 export", "2 exports".
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
