//! `exportctl prune`: by hand what workers' janitors do by themselves.

use std::time::Duration;

use clap::Args;
use exports_service::settings::{DatabaseSettings, parse_duration, trimmed};

use super::open;
use crate::error::{Context, Result};
use crate::output::print;

/// Records at a time: few enough that nobody waits for a lock.
const BATCH: u16 = 1_000;

/// Deletes old records of exports without a file: failed ones and expired ones
#[derive(Debug, Args)]
pub(super) struct Prune {
    /// How long ago they ended at least
    #[arg(long, env = "EXPORTS_RECORD_TTL", value_name = "DURATION", default_value = "90d", value_parser = trimmed(parse_duration))]
    older_than: Duration,
    /// Only counts them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Prune {
    pub(super) async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        if self.dry_run {
            let count = database.count_prunable(self.older_than).await;
            let count = count.context("cannot count the records")?;
            return print(&format!("{} would be deleted", records(count)));
        }
        let mut pruned = 0;
        loop {
            let batch = database.prune_records(self.older_than, BATCH).await;
            let batch = batch.context("cannot delete the records")?;
            pruned += batch;
            if batch < u64::from(BATCH) {
                return print(&format!("deleted {}", records(pruned)));
            }
        }
    }
}

fn records(count: u64) -> String {
    match count {
        1 => "1 record".to_owned(),
        count => format!("{count} records"),
    }
}
