//! `exportctl admin prune`: runs the deletion of old records, which janitors run too.

use std::time::Duration;

use clap::Args;
use exports_service::settings::{DatabaseSettings, parse_duration, trimmed};

use super::database::open;
use crate::error::{Context, Result};
use crate::output::print;

/// Records per statement: few enough to hold locks only briefly.
const BATCH: u16 = 1_000;

/// Deletes old records of failed and expired exports
#[derive(Debug, Args)]
pub(in crate::commands) struct Prune {
    /// Minimum age
    #[arg(long, env = "EXPORTS_RECORD_TTL", value_name = "DURATION", default_value = "90d", value_parser = trimmed(parse_duration))]
    older_than: Duration,
    /// Only count them
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
