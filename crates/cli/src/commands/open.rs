//! `exportctl open`: the console in the browser.

use clap::Args;
use exports_service::settings::ConsumerSettings;

use super::connection::api_url;
use crate::error::Result;
use crate::output::{note, print};

/// Opens the console, the web page of the API, in your browser
///
/// Prints its address. The page asks for your API key: an address would stay in the history of the browser.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  exportctl open\n  exportctl open 01935abc-def0-7123-4567-890abcdef012"
)]
pub(super) struct Open {
    /// The page of this export
    #[arg(value_name = "ID")]
    export: Option<String>,
    /// Only print the address
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    connection: ConsumerSettings,
}

impl Open {
    pub(super) fn run(self) -> Result<()> {
        let page = self.export.map(|id| format!("#/exports/{id}"));
        let address = format!(
            "{}/console{}",
            api_url(&self.connection)?.trim_end_matches('/'),
            page.unwrap_or_default()
        );
        print(&address)?;
        if !self.print
            && let Err(error) = open::that_detached(&address)
        {
            note(&format!(
                "no browser could be started ({error}): open the address yourself"
            ));
        }
        Ok(())
    }
}
