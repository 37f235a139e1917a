//! `exportctl export manifest`.

use clap::Args;
use exports_service::settings::ConsumerSettings;

use crate::commands::connection::connect;
use crate::error::Result;
use crate::output::print;

/// Prints what an export has delivered, as JSON: keep it with the files, for 'exportctl verify'
#[derive(Debug, Args)]
pub(in crate::commands) struct Manifest {
    /// The export
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    connection: ConsumerSettings,
}

impl Manifest {
    pub(super) async fn run(self) -> Result<()> {
        let client = connect(&self.connection)?;
        let path = format!("/v1/exports/{}/manifest", self.id);
        print(&client.get(&path).await?.to_string())
    }
}
