//! `exportctl dev`.

use clap::Args;

use super::demo_system::{Scene, Site};
use super::seed::{END, START};
use crate::error::Result;
use crate::output::{note, print};

/// The same as demo, kept running until Ctrl-C, with lines to paste
#[derive(Debug, Args)]
pub(super) struct Dev {
    #[command(flatten)]
    scene: Scene,
}

impl Dev {
    /// The signal that ends it is how it is meant to end, so that is a success.
    pub(super) async fn run(self) -> Result<()> {
        self.scene
            .run(async |site, signals| {
                print(&lines_to_paste(site))?;
                note("\nCtrl-C ends and removes it all");
                signals.next().await;
                note("");
                Ok(())
            })
            .await
    }
}

fn lines_to_paste(site: &Site) -> String {
    let Site {
        address,
        key,
        database_url,
        export,
    } = site;
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
        "# the database behind it".to_owned(),
        format!("psql '{database_url}'"),
    ]
    .join("\n")
}
