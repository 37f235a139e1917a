//! `exportctl seed`.

use chrono::{DateTime, Utc};
use clap::Args;
use exports_domain::{ProjectId, TimeRange, time};
use exports_sandbox::generator::Plan;
use exports_sandbox::seed::SeedError;
use exports_sandbox::seed::seed;
use exports_service::settings::{DatabaseSettings, ExposeSecret};

use super::{open, unknown};
use crate::error::{Context, Error, Result};
use crate::output::print;
use crate::progress::{Progress, Unit};

/// The range of the example in the API's reference page.
pub(super) const START: &str = "2025-12-01T00:00:00Z";
pub(super) const END: &str = "2025-12-06T23:59:59Z";

/// Fills a project with realistic messages: the same arguments give the same rows
#[derive(Debug, Args)]
pub(super) struct Seed {
    /// Whose messages they are
    #[arg(long)]
    project: ProjectId,
    /// How many
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Another number gives other messages
    #[arg(long = "seed", value_name = "NUMBER", default_value_t = 1)]
    number: u64,
    /// The first message's time
    #[arg(long, value_name = "TIME", default_value = START, value_parser = time::parse)]
    start: DateTime<Utc>,
    /// The last message's time
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
        let known = database.has_project(&self.project).await;
        if !known.context("cannot look the project up")? {
            return Err(unknown(&self.project));
        }
        let (variable, url) = match &self.database.source_database_url {
            Some(url) => ("EXPORTS_SOURCE_DATABASE_URL", url),
            None => ("DATABASE_URL", &self.database.database_url),
        };
        let mut progress = Progress::new("seeded", Unit::Messages, plan.messages);
        let on_progress = |sent| progress.set(sent);
        let seeded = match seed(url.expose_secret(), &self.project, plan, on_progress).await {
            Ok(seeded) => seeded,
            Err(error @ SeedError::Exists) => {
                return Err(Error::new(format!(
                    "{error}, so none was written: use another --seed"
                )));
            }
            Err(error @ (SeedError::Url(_) | SeedError::Database(_))) => {
                return Err(error).context(variable);
            }
        };
        progress.finish();
        print(&format!(
            "{} has {} more outbound and {} more inbound messages, of {} endpoints",
            self.project, seeded.outbound, seeded.inbound, seeded.endpoints
        ))
    }
}
