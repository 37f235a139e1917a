//! The connection of the operators' commands to the service's database.

use exports_database::{Database, MigrationState};
use exports_domain::ProjectId;
use exports_postgres::PoolPurpose;
use exports_service::settings::{DatabaseSettings, ExposeSecret};
use exports_service::start::{database_error, in_variable, statement_error};

use crate::error::{Error, Result};

const DATABASE: &str = "DATABASE_URL";

/// Connects to the service's database.
pub(super) async fn connect(settings: &DatabaseSettings) -> Result<Database> {
    let url = settings.database_url.expose_secret();
    let database = Database::new(url, PoolPurpose::Command).map_err(in_variable(DATABASE))?;
    let checked = database.check().await;
    checked.map_err(|error| database_error(DATABASE, &error))?;
    Ok(database)
}

/// Connects to the service's database and checks that all migrations are applied.
pub(super) async fn open(settings: &DatabaseSettings) -> Result<Database> {
    let database = connect(settings).await?;
    let state = database.migration_state().await;
    match state.map_err(|error| statement_error(DATABASE, &error))? {
        MigrationState::Current => Ok(database),
        state @ (MigrationState::Behind { .. } | MigrationState::Foreign { .. }) => {
            Err(in_variable(DATABASE)(state).into())
        }
    }
}

pub(super) fn unknown_project(project: &ProjectId) -> Error {
    Error::new(format!(
        "project {project} does not exist: create it with 'exportctl admin project create {project}'"
    ))
}
