//! `exportctl export watch`: shows the progress of an export until it has ended.

use clap::Args;
use exports_service::settings::ConsumerSettings;
use indicatif::{BinaryBytes, HumanCount};

use crate::client::{Client, Export};
use crate::commands::connection::connect;
use crate::error::{Error, Result};
use crate::output::{note, print};
use crate::progress::Waiting;

/// Shows the progress of an export until it has ended
///
/// Exit code 4: the export failed, was canceled or has expired.
#[derive(Debug, Args)]
pub(in crate::commands) struct Watch {
    /// The export
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    connection: ConsumerSettings,
}

impl Watch {
    pub(super) async fn run(self) -> Result<()> {
        let client = connect(&self.connection)?;
        let export = watch(&client, &self.id).await?;
        print(&export.status)
    }
}

/// Returns the export once it is completed. If it ends without a file, that is an error.
pub(super) async fn watch(client: &Client, id: &str) -> Result<Export> {
    let mut waiting = None;
    let ended = client
        .watch(id, |export| {
            let state = state(export);
            waiting
                .get_or_insert_with(|| Waiting::new("export is", &state))
                .set(&state);
        })
        .await?;
    if let Some(waiting) = waiting {
        waiting.finish();
    }
    if ended.status == "completed" {
        note(&format!(
            "{} rows, {}",
            HumanCount(ended.row_count.unwrap_or_default()),
            BinaryBytes(ended.file_size_bytes.unwrap_or_default())
        ));
        return Ok(ended);
    }
    Err(Error::NoFile {
        message: format!("export {id} is {}: {}", ended.status, ended.reason()),
    })
}

/// Such as `processing, 37 %, 120,000 rows, 23 MiB, 4 s left`.
fn state(export: &Export) -> String {
    let mut parts = vec![export.status.clone()];
    if let Some(progress) = &export.progress {
        parts.extend(
            progress
                .queue_position
                .map(|position| format!("number {position} in the queue")),
        );
        parts.extend(progress.percent.map(|percent| format!("{percent} %")));
        parts.extend(
            progress
                .rows_written
                .map(|rows| format!("{} rows", HumanCount(rows))),
        );
        parts.extend(
            progress
                .bytes_written
                .map(|bytes| BinaryBytes(bytes).to_string()),
        );
        parts.extend(
            progress
                .estimated_seconds_remaining
                .map(|seconds| format!("{seconds} s left")),
        );
    }
    parts.join(", ")
}
