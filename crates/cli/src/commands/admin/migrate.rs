//! `exportctl admin migrate`.

use clap::Args;
use exports_database::{Database, Program};
use exports_service::settings::DatabaseSettings;

use super::database::connect;
use crate::error::{Context, Error, Result};
use crate::output::print;

/// Applies missing migrations, and grants the roles of the programs exactly the rights they need
#[derive(Debug, Args)]
pub(in crate::commands) struct Migrate {
    /// The role of exports-api
    #[arg(long, value_name = "NAME")]
    api_role: Option<String>,
    /// The role of exports-worker
    #[arg(long, value_name = "NAME")]
    worker_role: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<()> {
        if self.api_role.is_some() && self.api_role == self.worker_role {
            return Err(Error::new(
                "--api-role and --worker-role are the same: each program needs its own role",
            ));
        }
        let database = connect(&self.database).await?;
        let applied = database.migrate().await.context("cannot migrate")?;
        print(&match applied {
            0 => "the schema is already up to date".to_owned(),
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
        "granted {role} the rights of {}",
        match program {
            Program::Api => "exports-api",
            Program::Worker => "exports-worker",
        }
    ))
}
