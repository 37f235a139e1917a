//! One check of all dependencies: they answer, the schema is that of this version, and the roles of the
//! program may do what it does.

use std::time::Duration;

use exports_database::{MigrationState, MissingRights, Program};
use exports_domain::{
    Choice, Direction, EndpointId, MessageFilter, ProjectId, TimeRange, error_line,
};
use exports_source::Error as SourceError;
use tokio::time::timeout;

use super::error::Wait;
use super::{
    DATABASE, Dependencies, SOURCE, StartError, database_error, in_variable, statement_error,
    store_error,
};
use crate::rights::is_forbidden;

/// The limit for the statements that show whether the source may be read.
const TRIAL_LIMIT: Duration = Duration::from_secs(5);

impl Dependencies {
    /// Connects to each once.
    pub(super) async fn check(&self) -> Result<(), StartError> {
        let checked = self.database.check().await;
        checked.map_err(|error| database_error(DATABASE, &error))?;
        self.check_schema().await?;
        self.check_rights().await?;
        self.source.check().await.map_err(|error| match error {
            SourceError::Postgres(error) => database_error(self.source_variable(), &error),
            other => in_variable(self.source_variable())(other).that_may_pass(true),
        })?;
        self.check_source_rights().await?;
        let checked = self.store.check().await;
        checked.map_err(|error| store_error(&self.store, &error))
    }

    /// The database must have the schema of this version.
    async fn check_schema(&self) -> Result<(), StartError> {
        match self.database.migration_state().await {
            Ok(MigrationState::Current) => Ok(()),
            // Without rights on the schema, none of the tables is visible.
            Ok(MigrationState::Behind { missing, known }) if missing == known => {
                let state = MigrationState::Behind { missing, known };
                match self.rights.missing().await {
                    Ok(Some(lacking)) if lacking.all_relations_exist() => Err(named(&lacking)),
                    _ => Err(in_variable(DATABASE)(state).that_may_pass(true)),
                }
            }
            Ok(state) => {
                // `exportctl admin migrate` may be running.
                let may_pass = matches!(state, MigrationState::Behind { .. });
                Err(in_variable(DATABASE)(state).that_may_pass(may_pass))
            }
            Err(error) if is_forbidden(&error) => match self.rights.missing().await {
                Ok(Some(lacking)) if lacking.all_relations_exist() => Err(named(&lacking)),
                // `exportctl admin migrate` still creates tables, and grants the rights afterwards.
                Ok(Some(lacking)) => Err(named(&lacking).that_may_pass(true)),
                Ok(None) | Err(_) => Err(statement_error(DATABASE, &error).that_may_pass(true)),
            },
            Err(error) => Err(statement_error(DATABASE, &error).that_may_pass(true)),
        }
    }

    /// The role must have its rights, and a worker's must be able to claim.
    async fn check_rights(&self) -> Result<(), StartError> {
        let failed = |error| statement_error(DATABASE, &error).that_may_pass(true);
        if let Some(lacking) = self.rights.missing().await.map_err(failed)? {
            return Err(named(&lacking));
        }
        if self.rights.program() == Program::Api {
            return Ok(());
        }
        self.database.claim_nothing().await.map_err(|error| {
            let wait = if is_forbidden(&error) {
                Wait::Briefly
            } else {
                Wait::UntilTimeout
            };
            let text = format!("a trial claim failed: {}", error_line(&error));
            StartError::new(DATABASE, &text).that_waits(wait)
        })
    }

    /// The role must be able to read the source. A view may need more rights than those on itself, so the
    /// statements of the program are tried.
    async fn check_source_rights(&self) -> Result<(), StartError> {
        let failed = |error| statement_error(SOURCE, &error).that_may_pass(true);
        if let Some(lacking) = self.rights.missing_of_source().await.map_err(failed)? {
            return Err(in_variable(SOURCE)(lacking).that_waits(Wait::Briefly));
        }
        match timeout(TRIAL_LIMIT, self.try_source()).await {
            Ok(Err(error)) if is_forbidden(&error) => {
                let variable = self.source_variable();
                let reason = error_line(&error);
                let text = format!(
                    "the role may not read the source: {reason}: run exportctl admin check for what to change"
                );
                Err(StartError::new(variable, &text).that_waits(Wait::Briefly))
            }
            // Other errors are those of single exports, which are retried.
            Ok(Ok(()) | Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Lets the server check the statements of the program.
    async fn try_source(&self) -> Result<(), SourceError> {
        let (Ok(project), Some(range)) = ("proj_check".parse::<ProjectId>(), any_range()) else {
            return Ok(());
        };
        let endpoints = [EndpointId(uuid::Uuid::nil())];
        match self.rights.program() {
            Program::Api => {
                let direction = Direction::Outbound;
                let found = self.source.has_endpoints(&project, direction, &endpoints);
                found.await.map(drop)
            }
            Program::Worker => {
                let mut session = self.source.open_session().await?;
                session.begin(&project).await?;
                for &direction in Direction::ALL {
                    let filter = MessageFilter {
                        range,
                        direction,
                        status: Choice::Any,
                        endpoint: Choice::Any,
                    };
                    session.try_statements(&filter).await?;
                }
                session.finish().await.map(drop)
            }
        }
    }
}

/// Missing rights: `exportctl admin migrate` may be about to grant them.
fn named(lacking: &MissingRights) -> StartError {
    StartError::new(DATABASE, &lacking.to_string()).that_waits(Wait::Briefly)
}

/// Any range: the statements are only planned.
fn any_range() -> Option<TimeRange> {
    let start = chrono::DateTime::from_timestamp(0, 0)?;
    TimeRange::new(start, start + chrono::TimeDelta::days(1)).ok()
}
