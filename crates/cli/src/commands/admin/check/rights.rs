//! Checks the rights of a program's roles.

use clap::ValueEnum;
use exports_database::{Database, Error, MissingRights, Program, missing_source_rights};
use exports_domain::error_line;
use exports_postgres::Client;

use super::report::Finding;

/// A program that `exportctl admin check` takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum As {
    /// exports-api
    Api,
    /// exports-worker
    Worker,
}

impl As {
    pub(super) fn program(self) -> Program {
        match self {
            Self::Api => Program::Api,
            Self::Worker => Program::Worker,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Api => "exports-api",
            Self::Worker => "exports-worker",
        }
    }
}

/// The rights in the service's database. `role`: not the connected one, but the one that the program will have.
pub(super) async fn own(
    database: &Database,
    who: As,
    role: Option<&str>,
    with_source: bool,
    schema_is_current: bool,
) -> Finding {
    let missing = database.missing_rights(who.program(), role, with_source);
    let finding = finding(missing.await, who, role);
    if !schema_is_current {
        let text = format!(
            "the tables of this version do not exist yet: run 'exportctl admin migrate', which also grants the \
             rights, then check again ({})",
            finding.text
        );
        return Finding::skip(text);
    }
    if !finding.is_ok() || role.is_some() || who == As::Api {
        return finding;
    }
    match database.claim_nothing().await {
        Ok(()) => finding,
        Err(error) => Finding::fail(format!("a trial claim failed: {}", error_line(&error))),
    }
}

/// The rights of the connected role in a source of its own.
pub(super) async fn of_source(source: &Client, who: As) -> Finding {
    let missing = missing_source_rights(source, who.program(), None);
    finding(missing.await, who, None)
}

fn finding(missing: Result<Option<MissingRights>, Error>, who: As, role: Option<&str>) -> Finding {
    match missing {
        Ok(Some(missing)) => Finding::fail(missing.to_string()),
        Ok(None) => {
            let role = role.map_or("the connected role".to_owned(), |role| {
                format!("role {role:?}")
            });
            Finding::ok(format!("{role} has all rights of {}", who.name()))
        }
        Err(error) => Finding::fail(error_line(&error)),
    }
}
