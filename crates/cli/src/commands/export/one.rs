//! Commands on one export: `get`, `cancel`, `retry`, `delete`.

use clap::Args;
use exports_service::settings::ConsumerSettings;

use crate::commands::connection::connect;
use crate::commands::response::{id_of, show};
use crate::error::Result;
use crate::output::{note, print};

#[derive(Debug, Args)]
pub(in crate::commands) struct One {
    /// The export
    #[arg(value_name = "ID")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConsumerSettings,
}

impl One {
    pub(super) async fn get(self) -> Result<()> {
        let client = connect(&self.connection)?;
        show(
            &client.get(&format!("/v1/exports/{}", self.id)).await?,
            self.json,
        )
    }

    pub(super) async fn cancel(self) -> Result<()> {
        let client = connect(&self.connection)?;
        let path = format!("/v1/exports/{}/cancel", self.id);
        show(&client.post_empty(&path).await?, self.json)
    }

    pub(super) async fn retry(self) -> Result<()> {
        let client = connect(&self.connection)?;
        let path = format!("/v1/exports/{}/retry", self.id);
        let created = client.post_empty(&path).await?;
        if self.json {
            return print(&created.to_string());
        }
        print(&id_of(&created)?)
    }

    pub(super) async fn delete(self) -> Result<()> {
        let client = connect(&self.connection)?;
        client.delete(&format!("/v1/exports/{}", self.id)).await?;
        note(&format!("deleted {}", self.id));
        Ok(())
    }
}
