//! Exports all messages as a consumer does: creates exports, downloads the files, compares them with
//! the API's values, and prints a summary.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use indicatif::HumanCount;
use uuid::Uuid;

use super::admin::seed::{END, START};
use crate::client::{Client, Downloaded, Export};
use crate::error::{Context, Error, Result};
use crate::output::{note, print};
use crate::progress::{Progress, Unit, Waiting};
use crate::table::printable;

/// A completed export and its downloaded file.
#[derive(Debug)]
struct Exported {
    direction: &'static str,
    export: Export,
    file: Downloaded,
    rows: u64,
    head: Vec<String>,
}

/// Number of lines that the summary shows.
const HEAD_LINES: usize = 4;

/// Exports both directions and prints the summary. Returns the id of the outbound export.
pub(super) async fn export_all(client: &Client, folder: &Path, messages: u64) -> Result<Uuid> {
    let outbound = export_one(client, folder, "outbound").await?;
    let inbound = export_one(client, folder, "inbound").await?;
    for exported in [&outbound, &inbound] {
        print(&exported.summary())?;
    }
    let rows = outbound.rows + inbound.rows;
    if rows != messages {
        return Err(Error::new(format!(
            "the files have {rows} rows, but there are {messages} messages"
        )));
    }
    let messages = HumanCount(messages);
    print(&format!("\nall {messages} messages are in the two files"))?;
    Ok(outbound.export.id)
}

async fn export_one(client: &Client, folder: &Path, direction: &'static str) -> Result<Exported> {
    let created = client.create(direction, START, END).await?;
    note(&format!("created {direction} export {}", created.id));
    let mut waiting = Waiting::new("export is", &created.status);
    let completed = client
        .wait_for(created.id, |state| waiting.set(state))
        .await?;
    waiting.finish();

    let path = folder.join(format!("{direction}.csv"));
    let size = completed.file_size_bytes.unwrap_or_default();
    let mut progress = Progress::new("downloaded", Unit::Bytes, size);
    let file = client
        .download(completed.id, &path, |bytes| progress.set(bytes))
        .await?;
    progress.finish();

    let read = tokio::task::spawn_blocking(move || read_back(&path)).await;
    let (rows, head) = read.context("the file")?.context("the file")?;
    let exported = Exported {
        direction,
        export: completed,
        file,
        rows,
        head,
    };
    exported.check()?;
    Ok(exported)
}

/// Counts the rows with a CSV reader, and returns the first lines.
fn read_back(path: &Path) -> std::result::Result<(u64, Vec<String>), csv::Error> {
    let mut reader = csv::Reader::from_path(path)?;
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record)? {
        rows += 1;
    }
    let lines = BufReader::new(File::open(path)?).lines().take(HEAD_LINES);
    let head = lines.collect::<std::io::Result<_>>()?;
    Ok((rows, head))
}

impl Exported {
    /// Compares the file with the values of the API.
    fn check(&self) -> Result<()> {
        let Exported { export, file, .. } = self;
        let differs = |what: &str, says: &dyn std::fmt::Debug, is: &dyn std::fmt::Debug| {
            let direction = self.direction;
            Err(Error::new(format!(
                "the {what} of the {direction} file is {is:?}, but the API says {says:?}"
            )))
        };
        if export.sha256.as_ref() != Some(&file.sha256) {
            return differs("SHA-256", &export.sha256, &file.sha256);
        }
        if export.file_size_bytes != Some(file.bytes) {
            return differs("size", &export.file_size_bytes, &file.bytes);
        }
        if export.row_count != Some(self.rows) {
            return differs("number of rows", &export.row_count, &self.rows);
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let duration = self.export.completed_at.zip(self.export.started_at);
        let duration = duration.and_then(|(end, start)| (end - start).to_std().ok());
        let seconds = duration.unwrap_or_default().as_secs_f64().max(0.001);
        // For display only: the rounding is far below the shown digits.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let rate = (self.rows as f64 / seconds) as u64;
        let mut lines = vec![
            String::new(),
            format!("{}, export {}", self.direction, self.export.id),
            format!("  rows     {}, counted in the file", HumanCount(self.rows)),
            format!("  bytes    {}", HumanCount(self.file.bytes)),
            format!(
                "  time     {seconds:.2} s, {} rows per second",
                HumanCount(rate)
            ),
            format!("  SHA-256  {}, verified", self.file.sha256),
            "  first lines".to_owned(),
        ];
        lines.extend(
            self.head
                .iter()
                .map(|line| format!("    {}", printable(line))),
        );
        lines.join("\n")
    }
}
