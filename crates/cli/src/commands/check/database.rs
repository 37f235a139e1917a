//! The service's own database: is it there, whose session is it, has it the schema, is its clock
//! ours.

use chrono::TimeDelta;
use exports_database::{Database, MigrationState};
use exports_domain::error_line;
use exports_domain::{Clock, SystemClock};
use exports_postgres::{ConnectedServer, ServerInfo};

use super::clock;
use super::report::{Finding, Report};
use crate::error::Result;

/// Tells whether it answers and has the schema.
pub(super) async fn check(report: &mut Report, database: &Database) -> Result<bool> {
    // Asked once on a connection of its own, for the reason why it fails.
    let reached = database.check().await;
    let before = SystemClock.now();
    let facts = match reached {
        Ok(reached) => database.server_info().await.map(|facts| (facts, reached)),
        Err(error) => Err(error),
    };
    let (facts, reached) = match facts {
        Ok(facts) => facts,
        Err(error) => {
            let text = format!("{}: correct DATABASE_URL, or start it", error_line(&error));
            report.add("database", &Finding::fail(text))?;
            return Ok(false);
        }
    };
    let difference = clock::compare(facts.clock, before, SystemClock.now(), TimeDelta::zero());
    report.add("database", &described(&facts, &reached))?;
    report.add("database clock", &difference)?;
    let (finding, is_current) = match database.migration_state().await {
        Ok(state @ MigrationState::Current) => (Finding::ok(state.to_string()), true),
        Ok(state) => (Finding::fail(state.to_string()), false),
        Err(error) => {
            let text = format!("{}: grant this role its rights", error_line(&error));
            (Finding::fail(text), false)
        }
    };
    report.add("migrations", &finding)?;
    Ok(is_current)
}

/// The server that was chosen and the session, in one line.
pub(super) fn described(facts: &ServerInfo, reached: &ConnectedServer) -> Finding {
    let tls = if reached.tls { "TLS" } else { "no TLS" };
    let pooler = if reached.pooler { ", a pooler" } else { "" };
    Finding::ok(format!(
        "PostgreSQL {}, role {}, {tls}, at {}{pooler}",
        facts.version, facts.role, reached.server
    ))
}
