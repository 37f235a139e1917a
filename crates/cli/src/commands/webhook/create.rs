//! `exportctl webhook create`.

use clap::{Args, ValueEnum};
use exports_service::settings::ConsumerSettings;
use serde_json::json;

use super::one::show_with_secret;
use crate::commands::connection::connect;
use crate::error::Result;

/// Creates a webhook and prints it with its secret, which cannot be shown again
#[derive(Debug, Args)]
pub(in crate::commands) struct Create {
    /// Where deliveries are sent
    #[arg(value_name = "URL")]
    url: String,
    /// An event that it receives; can be repeated [default: completed and failed]
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<Event>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConsumerSettings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Event {
    Completed,
    Failed,
    Expired,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Completed => "export.completed",
            Self::Failed => "export.failed",
            Self::Expired => "export.expired",
        }
    }
}

impl Create {
    pub(super) async fn run(self) -> Result<()> {
        let client = connect(&self.connection)?;
        let mut body = json!({"url": self.url});
        if !self.events.is_empty() {
            let events: Vec<_> = self.events.iter().map(|event| event.name()).collect();
            body["events"] = events.into();
        }
        let created = client.post("/v1/export-webhooks", &body).await?;
        show_with_secret(&created, self.json)
    }
}
