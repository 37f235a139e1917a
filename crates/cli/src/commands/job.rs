//! `exportctl job`: an operator's hand on one export.
//!
//! What has ended stays as it is. A failed export above all: its consumer may have seen that it
//! failed, no longer asks after it, and may have created another. So there is no way back from
//! `failed`; the way on is a new export.

use clap::{Args, Subcommand};
use exports_database::Overridden;
use exports_domain::{ExportId, ExportStatus, Failure, FailureCode};
use exports_service::settings::DatabaseSettings;

use super::open;
use crate::error::{Context, Error, Result};
use crate::output::print;

/// Puts a hand on one export
#[derive(Debug, Subcommand)]
pub(super) enum Job {
    Requeue(Requeue),
    Fail(Fail),
}

impl Job {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Requeue(command) => command.run().await,
            Self::Fail(command) => command.run().await,
        }
    }
}

/// Has an export tried again at once, with all its attempts; a worker that holds it lets go
#[derive(Debug, Args)]
pub(super) struct Requeue {
    /// A pending or processing export
    #[arg(value_name = "ID")]
    export: ExportId,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Requeue {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let answer = database.force_requeue(self.export).await;
        let answer = answer.context("cannot requeue the export")?;
        done(self.export, answer, "is due now, with all its attempts")
    }
}

/// Ends an export: there will be no file; a worker that holds it lets go
#[derive(Debug, Args)]
pub(super) struct Fail {
    /// A pending or processing export
    #[arg(value_name = "ID")]
    export: ExportId,
    /// What its consumer reads: what happened, and what to do
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
        let answer = database.force_fail(self.export, &failure).await;
        let answer = answer.context("cannot end the export")?;
        done(self.export, answer, "is failed")
    }
}

fn done(export: ExportId, answer: Overridden, what: &str) -> Result<()> {
    match answer {
        Overridden::Done { holder: None } => print(&format!("{export} {what}")),
        Overridden::Done {
            holder: Some(worker),
        } => print(&format!(
            "{export} {what}; {worker} held it and stops at its next heartbeat"
        )),
        Overridden::Missing => Err(Error::new(format!(
            "there is no export {export}: 'exportctl jobs' lists those at work"
        ))),
        Overridden::Ended(status) => Err(Error::new(format!(
            "{export} is {status}, which is final{}",
            match status {
                ExportStatus::Failed => ": have its consumer create it again",
                _ => "",
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
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(parse_reason(" too large "), Ok("too large".to_owned()));
        for bad in ["", "  ", "one\ntwo"] {
            assert!(parse_reason(bad).is_err(), "{bad:?}");
        }
    }
}
