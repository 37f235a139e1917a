//! `exportctl admin`: rare work on the whole installation.

mod reconcile;

use clap::Subcommand;

use crate::error::Result;

/// Rare work on the whole installation
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    Reconcile(reconcile::Reconcile),
}

impl Admin {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::Reconcile(command) => command.run().await,
        }
    }
}
