//! `exportctl migrate`.

use clap::Args;
use exports_database::{Database, Program};
use exports_service::settings::DatabaseSettings;

use super::connect;
use crate::error::{Context, Error, Result};
use crate::output::print;

/// Brings the database's schema up to date, and lets the programs' roles do what they need
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The role that exports-api connects as: it may do what the API does, and no more
    #[arg(long, value_name = "NAME")]
    api_role: Option<String>,
    /// The role that exports-worker connects as: it may do what a worker does, and no more
    #[arg(long, value_name = "NAME")]
    worker_role: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<()> {
        if self.api_role.is_some() && self.api_role == self.worker_role {
            return Err(Error::new(
                "--api-role and --worker-role are the same: each program needs a role of its own",
            ));
        }
        let database = connect(&self.database).await?;
        let applied = database.migrate().await.context("cannot migrate")?;
        print(&match applied {
            0 => "the schema was up to date".to_owned(),
            1 => "applied 1 migration".to_owned(),
            count => format!("applied {count} migrations"),
        })?;
        grant(&database, Program::Api, "--api-role", self.api_role).await?;
        grant(
            &database,
            Program::Worker,
            "--worker-role",
            self.worker_role,
        )
        .await
    }
}

async fn grant(
    database: &Database,
    program: Program,
    option: &str,
    role: Option<String>,
) -> Result<()> {
    let Some(role) = role else { return Ok(()) };
    database.grant(program, &role).await.context(option)?;
    print(&format!(
        "{role} may do what {} does, and no more",
        match program {
            Program::Api => "exports-api",
            Program::Worker => "exports-worker",
        }
    ))
}
