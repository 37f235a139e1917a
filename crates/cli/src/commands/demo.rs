//! `exportctl demo`.

use clap::Args;

use super::demo_system::DemoSystem;
use crate::error::Result;

/// Runs a demo: starts a private copy of the whole system, exports a million messages, removes everything
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    system: DemoSystem,
}

impl Demo {
    pub(super) async fn run(self) -> Result<()> {
        self.system.run(async |_, _| Ok(())).await
    }
}
