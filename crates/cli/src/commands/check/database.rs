//! The service's own database: is it there, whose session is it, has it the schema, is its clock
//! ours.

use chrono::TimeDelta;
use exports_domain::{Clock, SystemClock};
use exports_settings::error_line;
use exports_storage::{Database, DatabaseFacts, MigrationState};

use super::clock;
use super::report::{Finding, Report};
use crate::error::Result;

/// Tells whether it answers and has the schema.
pub(super) async fn check(report: &mut Report, database: &Database) -> Result<bool> {
    // Asked once on a connection of its own, for the reason why it fails.
    let reached = database.check().await;
    let before = SystemClock.now();
    let facts = match reached {
        Ok(()) => database.facts().await,
        Err(error) => Err(error),
    };
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) => {
            let text = format!("{}: correct DATABASE_URL, or start it", error_line(&error));
            report.add("database", &Finding::fail(text))?;
            return Ok(false);
        }
    };
    let difference = clock::compare(facts.clock, before, SystemClock.now(), TimeDelta::zero());
    report.add("database", &described(&facts))?;
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

/// The server and the session, in one line.
pub(super) fn described(facts: &DatabaseFacts) -> Finding {
    let tls = if facts.tls { "TLS" } else { "no TLS" };
    Finding::ok(format!(
        "PostgreSQL {}, role {}, {tls}",
        facts.version, facts.role
    ))
}
