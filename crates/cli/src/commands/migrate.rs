//! `exportctl migrate`.

use clap::Args;
use exports_settings::DatabaseSettings;

use super::connect;
use crate::error::{Context, Result};
use crate::output::print;

/// Brings the database's schema up to date
#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<()> {
        let database = connect(&self.database).await?;
        let applied = database.migrate().await.context("cannot migrate")?;
        print(&match applied {
            0 => "the schema was up to date".to_owned(),
            1 => "applied 1 migration".to_owned(),
            count => format!("applied {count} migrations"),
        })
    }
}
