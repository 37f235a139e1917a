//! `exportctl admin project suspend` and `resume`.

use clap::Args;
use exports_database::{Database, Held};
use exports_domain::ProjectId;
use exports_domain::time::to_wire;
use exports_service::settings::{DatabaseSettings, LogSettings};

use super::count;
use crate::audit::{Audit, Change};
use crate::commands::admin::database::{open, unknown_project};
use crate::error::{Context, Result};
use crate::output::print;

/// Exports per statement: few enough to hold locks only briefly.
const BATCH: u16 = 500;

/// Stops a project: its keys get 403, its exports wait or stop, its files are not served
#[derive(Debug, Args)]
pub(in crate::commands) struct Suspend {
    #[arg(value_name = "PROJECT")]
    project: ProjectId,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Suspend {
    pub(in crate::commands) async fn run(self) -> Result<()> {
        let project = &self.project;
        let database = open(&self.database).await?;
        let audit = Audit::open(&self.log)?;
        let before = database.suspend_project(project).await;
        let before = before.context("cannot suspend the project")?;
        let before = before.ok_or_else(|| unknown_project(project))?;
        let held = hold(&database, project).await?;
        let exports = format!(
            "{} held and {} stopped, which continue after 'exportctl admin project resume'",
            count(held.pending, "pending export"),
            count(held.processing, "running export"),
        );
        audit.done(Change {
            detail: &exports,
            ..Change::of_project("project.suspend", project)
        });
        print(&match before.suspended_at {
            None => format!("suspended {project}: {exports}"),
            Some(at) => format!("{project} is suspended since {}: {exports}", to_wire(at)),
        })
    }
}

/// Holds all exports of a suspended project.
pub(super) async fn hold(database: &Database, project: &ProjectId) -> Result<Held> {
    let mut total = Held::default();
    loop {
        let held = database.hold_exports(project, BATCH).await;
        let held =
            held.context("the project is suspended, but cannot stop its exports: try again")?;
        total.pending += held.pending;
        total.processing += held.processing;
        if held == Held::default() {
            return Ok(total);
        }
    }
}

/// Ends the suspension of a project; its exports continue
#[derive(Debug, Args)]
pub(in crate::commands) struct Resume {
    #[arg(value_name = "PROJECT")]
    project: ProjectId,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Resume {
    pub(in crate::commands) async fn run(self) -> Result<()> {
        let project = &self.project;
        let database = open(&self.database).await?;
        let audit = Audit::open(&self.log)?;
        let before = database.resume_project(project).await;
        let before = before.context("cannot resume the project")?;
        let before = before.ok_or_else(|| unknown_project(project))?;
        let mut total = 0;
        loop {
            let resumed = database.resume_exports(project, BATCH).await;
            let resumed = resumed
                .context("the project is resumed, but not all its exports are: try again")?;
            total += resumed;
            if resumed == 0 {
                break;
            }
        }
        let exports = format!("{} in the queue again", count(total, "export"));
        audit.done(Change {
            detail: &exports,
            ..Change::of_project("project.resume", project)
        });
        print(&match before.suspended_at {
            Some(at) => format!(
                "resumed {project}, suspended since {}: {exports}",
                to_wire(at)
            ),
            None => format!("{project} was not suspended: {exports}"),
        })
    }
}
