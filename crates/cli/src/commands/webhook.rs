//! `exportctl webhook`: the webhooks of consumers, over the HTTP API.

mod create;
mod list;
mod one;

use clap::Subcommand;

use crate::error::Result;

/// Manages webhooks, which tell your program that an export has ended
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
        exportctl webhook create https://example.com/hooks --event completed --event failed\n  \
        exportctl webhook test 01935abc-def0-7123-4567-890abcdef012\n  \
        exportctl webhook deliveries 01935abc-def0-7123-4567-890abcdef012")]
pub(super) enum Webhook {
    Create(create::Create),
    List(list::List),
    /// Shows a webhook
    Get(one::One),
    /// Sends a test event to a webhook
    Test(one::One),
    /// Shows the last 100 deliveries of a webhook
    Deliveries(one::One),
    /// Gives a webhook a new secret and prints it; for 24 hours the old one signs, too
    Rotate(one::One),
    /// Enables a webhook that was disabled; events since then are not sent
    Enable(one::One),
    /// Deletes a webhook and its deliveries
    Delete(one::One),
}

impl Webhook {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Create(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Get(command) => command.get().await,
            Self::Test(command) => command.test().await,
            Self::Deliveries(command) => command.deliveries().await,
            Self::Rotate(command) => command.rotate().await,
            Self::Enable(command) => command.enable().await,
            Self::Delete(command) => command.delete().await,
        }
    }
}
