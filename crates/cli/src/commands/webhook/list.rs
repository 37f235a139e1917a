//! `exportctl webhook list`.

use clap::Args;
use exports_service::settings::ConsumerSettings;
use serde::Deserialize;

use crate::commands::connection::connect;
use crate::commands::response::parse;
use crate::error::Result;
use crate::output::{note, print};
use crate::table::{printable, table};

/// Lists webhooks
#[derive(Debug, Args)]
pub(in crate::commands) struct List {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConsumerSettings,
}

#[derive(Debug, Deserialize)]
struct Webhook {
    id: String,
    url: String,
    events: Vec<String>,
    status: String,
    disabled_reason: Option<String>,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let client = connect(&self.connection)?;
        let webhooks = client.get("/v1/export-webhooks").await?;
        if self.json {
            return print(&webhooks.to_string());
        }
        let webhooks: Vec<Webhook> = parse(&webhooks)?;
        if webhooks.is_empty() {
            note("There are no webhooks. Create one with 'exportctl webhook create URL'.");
            return Ok(());
        }
        let header = ["ID", "STATUS", "EVENTS", "URL"];
        print(&table(header, webhooks.into_iter().map(row)))
    }
}

fn row(webhook: Webhook) -> [String; 4] {
    let status = match webhook.disabled_reason {
        Some(reason) => format!("{} ({reason})", webhook.status),
        None => webhook.status,
    };
    [
        webhook.id,
        status,
        webhook.events.join(","),
        printable(&webhook.url),
    ]
}
