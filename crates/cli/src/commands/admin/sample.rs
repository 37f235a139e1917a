//! `exportctl admin sample`: what somebody needs who looks at a new installation.

use std::time::Duration;

use clap::Args;
use exports_database::NewKey;
use exports_domain::{KeyId, ProjectId, Scope, TimeRange, time};
use exports_sandbox::generator::Plan;
use exports_service::settings::{DatabaseSettings, LogSettings, number};
use url::Url;

use super::database::{open, unknown_project};
use super::seed::{END, START, insert};
use crate::audit::{Audit, Change};
use crate::commands::next_steps::Running;
use crate::error::{Context, Result};
use crate::output::{note, print};

/// A new key is issued each time, so the old ones must end by themselves.
const KEY_LIFE: Duration = Duration::from_hours(7 * 24);

/// Creates a project with example messages and a key for a week, and prints what to try
///
/// Can be repeated: the messages are inserted once, and each run issues another key.
#[derive(Debug, Args)]
pub(in crate::commands) struct Sample {
    /// The project
    #[arg(long)]
    project: ProjectId,
    /// Number of messages
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = number(1_u64..=1_000_000_000_000))]
    messages: u64,
    /// The address of the API as consumers see it
    #[arg(long, env = "EXPORTS_PUBLIC_URL", value_name = "URL")]
    public_url: Url,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Sample {
    pub(super) async fn run(self) -> Result<()> {
        let project = &self.project;
        let database = open(&self.database).await?;
        let audit = Audit::open(&self.log)?;
        let created = database.create_project(project).await;
        if created.context("cannot create the project")? {
            audit.done(Change::of_project("project.create", project));
        }
        let plan = Plan {
            messages: self.messages,
            seed: 1,
            range: TimeRange::new(
                time::parse(START).context("the first time")?,
                time::parse(END).context("the last time")?,
            )
            .context("the time range")?,
        };
        let seeded = insert(&self.database, project, plan).await?;
        note(match seeded {
            Some(_) => "the example messages are inserted",
            None => "the example messages exist already",
        });

        let issued = database
            .issue_key(&NewKey {
                project,
                label: Some("sample"),
                scope: Scope::Write,
                valid_for: Some(KEY_LIFE),
            })
            .await
            .context("cannot create the key")?
            .ok_or_else(|| unknown_project(project))?;
        audit.done(Change {
            key: Some(KeyId(issued.id)),
            ..Change::of_project("key.create", project)
        });
        let running = Running {
            address: self.public_url.as_str().trim_end_matches('/'),
            key: &issued.secret,
        };
        print(&running.console())?;
        print(&running.create_and_wait())
    }
}
