//! `exportctl dev`.

use clap::Args;

use super::admin::seed::{END, START};
use super::demo_system::{DemoSystem, RunningSystem};
use crate::error::Result;
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
                print(&example_commands(system))?;
                note("\nCtrl-C stops and removes everything");
                signals.next().await;
                note("");
                Ok(())
            })
            .await
    }
}

fn example_commands(system: &RunningSystem) -> String {
    let RunningSystem {
        address,
        key,
        database_url,
        export,
    } = system;
    let auth = format!("-H 'Authorization: Bearer {key}'");
    let body = format!(
        r#"{{"start_time": "{START}", "end_time": "{END}", "status": "failed_permanent"}}"#
    );
    let exports = format!("{address}/v1/exports");
    [
        "\n# create".to_owned(),
        format!("curl -sS {auth} -d '{body}' {exports}"),
        "# get".to_owned(),
        format!("curl -sS {auth} {exports}/{export}"),
        "# list".to_owned(),
        format!("curl -sS {auth} '{exports}?limit=10'"),
        "# download".to_owned(),
        format!("curl -sSL {auth} -o export.csv {exports}/{export}/download"),
        "# delete".to_owned(),
        format!("curl -sS {auth} -X DELETE {exports}/{export}"),
        "# the database".to_owned(),
        format!("psql '{database_url}'"),
    ]
    .join("\n")
}
