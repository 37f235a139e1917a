//! `exportctl export`: what consumers do with exports, over the HTTP API.

mod create;
mod download;
mod list;
mod manifest;
mod one;
mod request;
mod watch;

use clap::Subcommand;

use crate::error::Result;

/// Creates, watches and downloads exports
#[derive(Debug, Subcommand)]
#[command(
    long_about = "Creates, watches and downloads exports, over the HTTP API.\n\n\
        Exit codes: 0 success; 1 an error; 2 wrong arguments; 4 the export has no file, because it failed, was canceled \
        or has expired; 5 there is no such export; 6 the key is refused.",
    after_help = "Examples:\n  \
        exportctl export create --start 2025-12-01T00:00:00Z --end 2025-12-07T00:00:00Z --watch --download\n  \
        exportctl export list --status completed\n  \
        exportctl export download 01935abc-def0-7123-4567-890abcdef012 -o - | gzip > messages.csv.gz"
)]
pub(super) enum Export {
    Create(Box<create::Create>),
    Estimate(Box<create::Estimate>),
    List(list::List),
    /// Shows an export
    Get(one::One),
    Watch(watch::Watch),
    Download(download::Download),
    Manifest(manifest::Manifest),
    /// Cancels an export that is pending or processing
    Cancel(one::One),
    /// Creates a new export of the same request as a failed or expired one
    Retry(one::One),
    /// Deletes an export that has ended, and its files
    Delete(one::One),
}

impl Export {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Create(command) => command.run().await,
            Self::Estimate(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Get(command) => command.get().await,
            Self::Watch(command) => command.run().await,
            Self::Download(command) => command.run().await,
            Self::Manifest(command) => command.run().await,
            Self::Cancel(command) => command.cancel().await,
            Self::Retry(command) => command.retry().await,
            Self::Delete(command) => command.delete().await,
        }
    }
}
