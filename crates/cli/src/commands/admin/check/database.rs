//! Checks the service's own database: connection, session, schema, clock.

use chrono::TimeDelta;
use exports_database::{Database, MigrationState};
use exports_domain::error_line;
use exports_domain::{Clock, SystemClock};
use exports_postgres::{ConnectedServer, Error as PostgresError, ReadOnly, ServerInfo};

use super::clock;
use super::report::{Finding, Report};
use super::write;
use crate::error::Result;

/// What can be checked afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing: it is not reachable, or does not accept writes.
    Unavailable,
    /// What does not need the tables of this version.
    WithoutSchema,
    /// Everything.
    Ready,
}

pub(super) async fn check(report: &mut Report, database: &Database) -> Result<State> {
    // A dedicated connection reports the reason if it fails.
    let found = async {
        let server = database.check().await?;
        let before = SystemClock.now();
        Ok::<_, exports_postgres::Error>((server, before, database.server_info().await?))
    };
    let (server, before, info) = match found.await {
        Ok(found) => found,
        Err(error) => {
            let text = format!("{}: {}", error_line(&error), fix(&error));
            report.add("database", &Finding::fail(text))?;
            return Ok(State::Unavailable);
        }
    };
    let difference = clock::compare(info.clock, before, SystemClock.now(), TimeDelta::zero());
    report.add("database", &describe(&info, &server))?;
    report.add("database clock", &difference)?;
    report.add("database write", &write::check(database).await)?;
    let (finding, is_current) = match database.migration_state().await {
        Ok(state @ MigrationState::Current) => (Finding::ok(state.to_string()), true),
        Ok(state) => (Finding::fail(state.to_string()), false),
        Err(error) => {
            let text = format!("{}: grant this role the missing rights", error_line(&error));
            (Finding::fail(text), false)
        }
    };
    report.add("migrations", &finding)?;
    Ok(if is_current {
        State::Ready
    } else {
        State::WithoutSchema
    })
}

fn fix(error: &PostgresError) -> &'static str {
    match error {
        PostgresError::ReadOnly(ReadOnly::Standby) => "use the address of the primary",
        PostgresError::ReadOnly(ReadOnly::Setting) => {
            "an operator has set it, or a managed service whose disk is full: free space, or reset it"
        }
        _ => "correct DATABASE_URL, or start the database",
    }
}

/// The server and the session in one line.
pub(super) fn describe(info: &ServerInfo, server: &ConnectedServer) -> Finding {
    let tls = if server.tls { "TLS" } else { "no TLS" };
    let pooler = if server.pooler { ", via a pooler" } else { "" };
    Finding::ok(format!(
        "PostgreSQL {}, role {}, {tls}, at {}{pooler}",
        info.version, info.role, server.server
    ))
}
