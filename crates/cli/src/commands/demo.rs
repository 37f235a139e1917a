//! `exportctl demo`.

use clap::Args;

use super::demo_system::Scene;
use crate::error::Result;

/// Shows the whole system at work: starts all of it privately, exports a million messages, removes it
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    scene: Scene,
}

impl Demo {
    pub(super) async fn run(self) -> Result<()> {
        self.scene.run(async |_, _| Ok(())).await
    }
}
