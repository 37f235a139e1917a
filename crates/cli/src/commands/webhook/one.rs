//! Commands on one webhook.

use clap::Args;
use exports_service::settings::ConsumerSettings;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::commands::connection::connect;
use crate::commands::response::{parse, show};
use crate::error::Result;
use crate::output::{note, print};
use crate::table::table;

#[derive(Debug, Args)]
pub(in crate::commands) struct One {
    /// The webhook
    #[arg(value_name = "ID")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConsumerSettings,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    id: String,
    event: String,
    export_id: Option<String>,
    attempt: u32,
    status: String,
    response_status: Option<u16>,
    next_attempt_at: Option<String>,
    created_at: String,
}

impl One {
    pub(super) async fn get(self) -> Result<()> {
        let webhook = self.client()?.get(&self.path("")).await?;
        show(&webhook, self.json)
    }

    pub(super) async fn test(self) -> Result<()> {
        let delivery = self.client()?.post_empty(&self.path("/test")).await?;
        note(&format!(
            "'exportctl webhook deliveries {}' shows the result",
            self.id
        ));
        show(&delivery, self.json)
    }

    pub(super) async fn deliveries(self) -> Result<()> {
        let deliveries = self.client()?.get(&self.path("/deliveries")).await?;
        if self.json {
            return print(&deliveries.to_string());
        }
        let deliveries: Vec<Delivery> = parse(&deliveries)?;
        if deliveries.is_empty() {
            note("There are no deliveries yet. 'exportctl webhook test' sends one.");
            return Ok(());
        }
        let header = [
            "ID", "EVENT", "EXPORT", "STATUS", "ATTEMPT", "RESPONSE", "NEXT", "CREATED",
        ];
        print(&table(header, deliveries.into_iter().map(row)))
    }

    pub(super) async fn rotate(self) -> Result<()> {
        let webhook = self.client()?.post_empty(&self.path("/rotate")).await?;
        show_with_secret(&webhook, self.json)
    }

    pub(super) async fn enable(self) -> Result<()> {
        let webhook = self.client()?.post_empty(&self.path("/enable")).await?;
        show(&webhook, self.json)
    }

    pub(super) async fn delete(self) -> Result<()> {
        self.client()?.delete(&self.path("")).await?;
        note(&format!("deleted {}", self.id));
        Ok(())
    }

    fn client(&self) -> Result<Client> {
        connect(&self.connection)
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/export-webhooks/{}{rest}", self.id)
    }
}

/// For responses with a secret.
pub(super) fn show_with_secret(webhook: &Value, json: bool) -> Result<()> {
    show(webhook, json)?;
    note("Keep the secret: it cannot be shown again.");
    Ok(())
}

fn row(delivery: Delivery) -> [String; 8] {
    [
        delivery.id,
        delivery.event,
        delivery.export_id.unwrap_or_default(),
        delivery.status,
        delivery.attempt.to_string(),
        delivery
            .response_status
            .map_or_else(String::new, |status| status.to_string()),
        delivery.next_attempt_at.unwrap_or_default(),
        delivery.created_at,
    ]
}
