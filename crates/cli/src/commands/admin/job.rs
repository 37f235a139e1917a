//! `exportctl admin job`: one export, and overrides for it.
//!
//! An ended export cannot be changed. The consumer of a failed export may have seen the failure and
//! created another one, so a new export is the only way to try again.

mod show;

use clap::{Args, Subcommand};
use exports_database::Overridden;
use exports_domain::{ExportId, ExportStatus, Failure, FailureCode};
use exports_service::settings::DatabaseSettings;

use super::database::open;
use crate::error::{Context, Error, Result};
use crate::output::print;

/// Shows or overrides one export
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum Job {
    Show(show::Show),
    Requeue(Requeue),
    Fail(Fail),
}

impl Job {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Show(command) => command.run().await,
            Self::Requeue(command) => command.run().await,
            Self::Fail(command) => command.run().await,
        }
    }
}

/// Queues an export again, due now and with all attempts; a worker that holds it stops
#[derive(Debug, Args)]
pub(in crate::commands) struct Requeue {
    /// A pending or processing export
    #[arg(value_name = "ID")]
    export: ExportId,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Requeue {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let result = database.force_requeue(self.export).await;
        let result = result.context("cannot requeue the export")?;
        print_result(self.export, result, "is due now, with all its attempts")
    }
}

/// Fails an export permanently; a worker that holds it stops
#[derive(Debug, Args)]
pub(in crate::commands) struct Fail {
    /// A pending or processing export
    #[arg(value_name = "ID")]
    export: ExportId,
    /// The message for the consumer: what happened, and what to do
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Fail {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let failure = Failure {
            code: FailureCode::EndedByOperator,
            message: self.reason,
        };
        let result = database.force_fail(self.export, &failure).await;
        let result = result.context("cannot fail the export")?;
        print_result(self.export, result, "is failed")
    }
}

fn unknown_export(export: ExportId) -> Error {
    Error::new(format!(
        "export {export} does not exist: 'exportctl admin jobs' lists active exports"
    ))
}

fn print_result(export: ExportId, result: Overridden, what: &str) -> Result<()> {
    match result {
        Overridden::Done { holder: None } => print(&format!("{export} {what}")),
        Overridden::Done {
            holder: Some(worker),
        } => print(&format!(
            "{export} {what}; {worker} held it and stops at its next heartbeat"
        )),
        Overridden::Missing => Err(unknown_export(export)),
        Overridden::Ended(status) => Err(Error::new(format!(
            "{export} is {status}, which is final{}",
            match status {
                ExportStatus::Failed => format!(
                    ": its consumer can create a new export ('exportctl admin job show {export}' shows why it failed)"
                ),
                _ => String::new(),
            }
        ))),
    }
}

fn parse_reason(text: &str) -> std::result::Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("must not be empty: the consumer reads it".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("must be one line of text".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_must_be_one_non_empty_line() {
        assert_eq!(parse_reason(" too large "), Ok("too large".to_owned()));
        for bad in ["", "  ", "one\ntwo"] {
            assert!(parse_reason(bad).is_err(), "{bad:?}");
        }
    }
}
