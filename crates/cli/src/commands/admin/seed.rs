//! `exportctl admin seed`.

use chrono::{DateTime, Utc};
use clap::Args;
use exports_domain::{ProjectId, TimeRange, time};
use exports_sandbox::generator::Plan;
use exports_sandbox::seed::{SeedError, Seeded, seed};
use exports_service::settings::{DatabaseSettings, ExposeSecret, number};

use super::database::{open, unknown_project};
use crate::error::{Context, Error, Result};
use crate::output::print;
use crate::progress::{Progress, Unit};

/// The range of the example in the API reference.
pub(in crate::commands) const START: &str = "2025-12-01T00:00:00Z";
pub(in crate::commands) const END: &str = "2025-12-06T23:59:59Z";

/// Inserts realistic messages; the same arguments generate the same rows
#[derive(Debug, Args)]
pub(in crate::commands) struct Seed {
    /// The project
    #[arg(long)]
    project: ProjectId,
    /// Number of messages
    #[arg(long, value_name = "COUNT", value_parser = number(1_u64..=1_000_000_000_000))]
    messages: u64,
    /// Seed of the random generator
    #[arg(long = "seed", value_name = "NUMBER", default_value_t = 1)]
    number: u64,
    /// Time of the first message
    #[arg(long, value_name = "TIME", default_value = START, value_parser = time::parse)]
    start: DateTime<Utc>,
    /// Time of the last message
    #[arg(long, value_name = "TIME", default_value = END, value_parser = time::parse)]
    end: DateTime<Utc>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Seed {
    pub(super) async fn run(self) -> Result<()> {
        let plan = Plan {
            messages: self.messages,
            seed: self.number,
            range: TimeRange::new(self.start, self.end).context("--start and --end")?,
        };
        let database = open(&self.database).await?;
        let exists = database.has_project(&self.project).await;
        if !exists.context("cannot find the project")? {
            return Err(unknown_project(&self.project));
        }
        let seeded = insert(&self.database, &self.project, plan).await?;
        let seeded = seeded.ok_or_else(|| {
            Error::new(
                "some of these messages already exist, so nothing was written: use another --seed",
            )
        })?;
        print(&format!(
            "inserted into {}: {} outbound and {} inbound messages of {} endpoints",
            self.project, seeded.outbound, seeded.inbound, seeded.endpoints
        ))
    }
}

/// Inserts the messages into the source. `None` if some of them exist.
pub(super) async fn insert(
    settings: &DatabaseSettings,
    project: &ProjectId,
    plan: Plan,
) -> Result<Option<Seeded>> {
    let (variable, url) = match &settings.source_database_url {
        Some(url) => ("EXPORTS_SOURCE_DATABASE_URL", url),
        None => ("DATABASE_URL", &settings.database_url),
    };
    let mut progress = Progress::new("seeded", Unit::Messages, plan.messages);
    let on_progress = |sent| progress.set(sent);
    match seed(url.expose_secret(), project, plan, on_progress).await {
        Ok(seeded) => {
            progress.finish();
            Ok(Some(seeded))
        }
        Err(SeedError::Exists) => Ok(None),
        Err(error @ (SeedError::Url(_) | SeedError::Database(_))) => Err(error).context(variable),
    }
}
