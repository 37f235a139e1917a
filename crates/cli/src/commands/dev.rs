//! `exportctl dev`.

use clap::Args;

use super::demo_system::{DemoSystem, RunningSystem};
use super::next_steps::Running;
use crate::error::{Context, Result};
use crate::output::{note, print};

/// Like demo, but keeps the system running until Ctrl-C and prints commands to paste
#[derive(Debug, Args)]
pub(super) struct Dev {
    #[command(flatten)]
    system: DemoSystem,
}

impl Dev {
    /// A signal is the normal end, so it is a success.
    pub(super) async fn run(self) -> Result<()> {
        self.system
            .run(async |system, signals| {
                print(&example_commands(system)?)?;
                note("\nCtrl-C stops and removes everything");
                signals.next().await;
                note("");
                Ok(())
            })
            .await
    }
}

fn example_commands(system: &RunningSystem) -> Result<String> {
    let running = Running {
        address: &system.address,
        key: &system.key,
    };
    let program = std::env::current_exe().context("cannot find the path of exportctl")?;
    Ok([
        running.console(),
        running.exportctl(&program.display().to_string()),
        running.requests(&system.export.to_string()),
        format!("# the database\npsql '{}'", system.database_url),
    ]
    .join("\n"))
}
