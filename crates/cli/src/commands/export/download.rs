//! `exportctl export download`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use exports_service::settings::ConsumerSettings;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use crate::client::{Client, Export, FileOfExport, Target};
use crate::commands::connection::connect;
use crate::commands::response::parse;
use crate::error::{Context, Error, Result};
use crate::output::print;
use crate::progress::{Progress, Unit};

/// How many files are downloaded at the same time.
pub(super) const JOBS: usize = 4;

/// Downloads the files of an export and verifies their SHA-256
///
/// A download that broke continues where it was, also in a later run.
#[derive(Debug, Args)]
pub(in crate::commands) struct Download {
    /// The export
    #[arg(value_name = "ID")]
    id: String,
    /// The folder for the files, a name for the only file, or - for standard output
    #[arg(short, long, value_name = "PATH", default_value = ".")]
    output: PathBuf,
    /// Only the file with this number, of an export that is split
    #[arg(long, value_name = "NUMBER")]
    file: Option<u32>,
    /// How many files are downloaded at the same time
    #[arg(long, value_name = "COUNT", default_value_t = JOBS)]
    jobs: usize,
    #[command(flatten)]
    connection: ConsumerSettings,
}

impl Download {
    pub(super) async fn run(self) -> Result<()> {
        let client = connect(&self.connection)?;
        let export = parse(&client.get(&format!("/v1/exports/{}", self.id)).await?)?;
        let files = wanted(&export, self.file)?;
        if self.output == Path::new("-") {
            let [file] = files.as_slice() else {
                return Err(Error::new(format!(
                    "the export has {} files, and standard output takes one: use --file",
                    files.len()
                )));
            };
            return client
                .download_file(&self.id, file, &Target::Stdout, |_| {})
                .await;
        }
        if let ([file], false) = (files.as_slice(), self.output.is_dir()) {
            let file = (file.clone(), self.output);
            return some(&client, &self.id, vec![file], 1).await;
        }
        into_folder(&client, &self.id, files, &self.output, self.jobs).await
    }
}

/// Downloads all files of a completed export into a folder.
pub(super) async fn all(
    client: &Client,
    export: &Export,
    folder: &Path,
    jobs: usize,
) -> Result<()> {
    let files = wanted(export, None)?;
    into_folder(client, &export.id.to_string(), files, folder, jobs).await
}

fn wanted(export: &Export, number: Option<u32>) -> Result<Vec<FileOfExport>> {
    if export.status != "completed" {
        let (id, status) = (export.id, &export.status);
        return Err(Error::NoFile {
            message: format!("export {id} is {status}: {}", export.reason()),
        });
    }
    let mut files = export.files()?;
    let count = files.len();
    if let Some(number) = number {
        files.retain(|file| file.number == number);
        if files.is_empty() {
            return Err(Error::new(format!(
                "the export has files 1 to {count}, but no file {number}"
            )));
        }
    }
    Ok(files)
}

async fn into_folder(
    client: &Client,
    export: &str,
    files: Vec<FileOfExport>,
    folder: &Path,
    jobs: usize,
) -> Result<()> {
    let created = std::fs::create_dir_all(folder);
    created.context(format!("cannot create {}", folder.display()))?;
    let files = files.into_iter().map(|file| {
        let path = folder.join(&file.name);
        (file, path)
    });
    some(client, export, files.collect(), jobs).await
}

/// Downloads these files, and prints the path of each when it is verified.
async fn some(
    client: &Client,
    export: &str,
    files: Vec<(FileOfExport, PathBuf)>,
    jobs: usize,
) -> Result<()> {
    let total = files.iter().map(|(file, _)| file.file_size_bytes).sum();
    let progress = Mutex::new(Progress::new("downloaded", Unit::Bytes, total));
    let done = AtomicU64::new(0);
    let downloads = stream::iter(files).map(async |(file, path)| {
        let counted = AtomicU64::new(0);
        let on_bytes = |bytes: u64| {
            let before = counted.swap(bytes, Ordering::Relaxed);
            // It falls if the store starts the file again.
            let all = done.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
            if let Ok(mut progress) = progress.try_lock() {
                progress.set(all.wrapping_add(bytes).wrapping_sub(before));
            }
        };
        let target = Target::File(path.clone());
        client
            .download_file(export, &file, &target, on_bytes)
            .await?;
        Ok::<_, Error>(path)
    });
    let paths: Vec<_> = downloads.buffered(jobs.max(1)).try_collect().await?;
    progress.into_inner().finish();
    for path in paths {
        print(&path.display().to_string())?;
    }
    Ok(())
}
