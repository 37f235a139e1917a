//! `exportctl admin project delete`.
//!
//! The project is suspended first, so that nothing of it runs or is added. Then keys, exports and the
//! project itself go, in batches. Files are marked for deletion: the janitors of the workers have the
//! rights and the retries to delete them. An interrupted deletion is completed by the same command.

use std::io::{BufRead, IsTerminal};

use clap::Args;
use exports_database::Database;
use exports_domain::ProjectId;
use exports_service::settings::{DatabaseSettings, LogSettings};

use super::{count, suspend};
use crate::audit::{Audit, Change};
use crate::commands::admin::database::open;
use crate::error::{Context, Error, Result};
use crate::output::{note, print};

/// Exports or keys per statement: few enough to hold locks only briefly.
const BATCH: u16 = 500;
/// A create that was authenticated before the keys were deleted may still add an export.
const ROUNDS: usize = 20;

/// Deletes a project with its keys, exports and files, permanently
#[derive(Debug, Args)]
pub(in crate::commands) struct Delete {
    #[arg(value_name = "PROJECT")]
    project: ProjectId,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

/// What is deleted so far.
#[derive(Debug, Default)]
struct Deleted {
    keys: u64,
    exports: u64,
    files: u64,
}

impl Delete {
    pub(in crate::commands) async fn run(self) -> Result<()> {
        let project = &self.project;
        let database = open(&self.database).await?;
        let exists = database.has_project(project).await;
        if !exists.context("cannot find the project")? {
            let waiting = waiting(&database, project).await?;
            return print(&format!("{project} does not exist{waiting}"));
        }
        if !self.yes {
            confirm(project)?;
        }
        let audit = Audit::open(&self.log)?;
        let deleted = delete(&database, project).await?;
        let what = format!(
            "{}, {} and {}",
            count(deleted.keys, "key"),
            count(deleted.exports, "export"),
            count(deleted.files, "file"),
        );
        audit.done(Change {
            detail: &what,
            ..Change::of_project("project.delete", project)
        });
        let waiting = waiting(&database, project).await?;
        print(&format!("deleted {project} with {what}{waiting}"))
    }
}

async fn delete(database: &Database, project: &ProjectId) -> Result<Deleted> {
    const INCOMPLETE: &str = "the project is suspended, but not completely deleted: try again";
    let suspended = database.suspend_project(project).await;
    suspended.context("cannot suspend the project")?;
    suspend::hold(database, project).await?;
    let mut deleted = Deleted::default();
    for _ in 0..ROUNDS {
        loop {
            let keys = database.delete_keys_of(project, BATCH).await;
            let keys = keys.context(INCOMPLETE)?;
            deleted.keys += keys;
            if keys == 0 {
                break;
            }
        }
        loop {
            let batch = database.delete_exports_of(project, BATCH).await;
            let batch = batch.context(INCOMPLETE)?;
            deleted.exports += batch.records;
            deleted.files += batch.objects;
            if batch.records == 0 {
                break;
            }
        }
        if database.delete_project(project).await.context(INCOMPLETE)? {
            return Ok(deleted);
        }
    }
    Err(Error::new(INCOMPLETE))
}

/// What the janitors still have to delete, for the end of a line.
async fn waiting(database: &Database, project: &ProjectId) -> Result<String> {
    let objects = database.count_pending_deletions(project).await;
    Ok(match objects.context("cannot count the files")? {
        0 => String::new(),
        1 => "; 1 object is pending deletion: a running worker deletes it".to_owned(),
        objects => {
            format!("; {objects} objects are pending deletion: a running worker deletes them")
        }
    })
}

fn confirm(project: &ProjectId) -> Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Error::new(format!(
            "this deletes all keys, exports and files of {project}: confirm with --yes"
        )));
    }
    note(&format!(
        "this deletes all keys, exports and files of {project}: type its name to confirm"
    ));
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    read.context("standard input")?;
    if answer.trim() == project.as_str() {
        Ok(())
    } else {
        Err(Error::new("not confirmed: nothing was deleted"))
    }
}
