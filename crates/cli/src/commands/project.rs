//! `exportctl project`.

use clap::Subcommand;
use exports_domain::ProjectId;
use exports_service::settings::DatabaseSettings;

use super::open;
use crate::error::{Context, Result};
use crate::output::print;

/// Manages projects
#[derive(Debug, Subcommand)]
pub(super) enum Project {
    /// Creates a project, if it does not exist
    Create {
        /// `proj_` and 1 to 64 letters, digits, '_' or '-'
        #[arg(value_name = "PROJECT")]
        project: ProjectId,
        #[command(flatten)]
        database: DatabaseSettings,
    },
}

impl Project {
    pub(super) async fn run(self) -> Result<()> {
        let Self::Create { project, database } = self;
        let database = open(&database).await?;
        let created = database.create_project(&project).await;
        print(&if created.context("cannot create the project")? {
            format!("created {project}")
        } else {
            format!("{project} already exists")
        })
    }
}
