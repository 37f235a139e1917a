//! An upload into a directory: written to a staging file, then synced and renamed.
//!
//! Parts bypass the page cache where possible (see `direct_io`). So the file does not evict the pages of a database on the same
//! machine, and the final sync has little left to write.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::direct_io::DirectFile;
use super::root::Root;
use crate::error::StoreError;

/// The maximum number of retries after another process has removed the still empty directory. Each retry takes another deletion
/// in the same project at the same moment.
pub(super) const MAX_RACES: usize = 5;

/// An upload that has begun. Dropping it leaves the staging file for `cleanup`.
#[derive(Debug)]
pub(crate) struct LocalUpload {
    root: Root,
    path: PathBuf,
    staging: PathBuf,
    file: Arc<StagingFile>,
    /// The offset of the next part.
    offset: u64,
}

#[derive(Debug)]
struct StagingFile {
    file: File,
    direct: Option<DirectFile>,
}

/// Writes a whole small file. This function blocks.
pub(super) fn put(root: &FsPath, path: &FsPath, data: &[u8]) -> io::Result<()> {
    let (file, staging) = create_durable(root, path)?;
    file.write_all_at(data, 0)?;
    publish(&file, &staging, path)
}

impl LocalUpload {
    /// Creates the staging file `<path>#<n>` with an unused `n`, and durable directories. This function blocks.
    pub(super) fn begin(root: Root, path: PathBuf) -> io::Result<Self> {
        let (file, staging) = create_durable(root.path(), &path)?;
        let direct = DirectFile::open(&staging);
        Ok(Self {
            root,
            path,
            staging,
            file: Arc::new(StagingFile { file, direct }),
            offset: 0,
        })
    }

    /// Writes the next part. The order of the calls is the order of the parts; the future writes.
    pub(crate) fn put_part(
        &mut self,
        data: Bytes,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (root, file, offset) = (self.root.clone(), Arc::clone(&self.file), self.offset);
        self.offset += data.len() as u64;
        async move {
            let write = move || file.write(&data, offset);
            root.blocking("cannot write the file", write).await
        }
    }

    /// Syncs the file and renames it to its final path.
    pub(crate) async fn complete(&mut self) -> Result<(), StoreError> {
        let file = Arc::clone(&self.file);
        let (path, staging) = (self.path.clone(), self.staging.clone());
        let complete = move || publish(&file.file, &staging, &path);
        self.root
            .blocking("cannot complete the file", complete)
            .await
    }
}

fn publish(file: &File, staging: &FsPath, path: &FsPath) -> io::Result<()> {
    file.sync_all()?;
    std::fs::rename(staging, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

impl StagingFile {
    fn write(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let written = match &self.direct {
            Some(direct) => direct.write(data, offset)?,
            None => 0,
        };
        self.file
            .write_all_at(&data[written..], offset + written as u64)
    }
}

fn create_durable(root: &FsPath, path: &FsPath) -> io::Result<(File, PathBuf)> {
    let (file, staging) = create_staging(root, path)?;
    // The directory has a file, so no process removes it.
    sync_parents(root, path.parent().unwrap_or(root))?;
    Ok((file, staging))
}

fn create_staging(root: &FsPath, path: &FsPath) -> io::Result<(File, PathBuf)> {
    let mut races = 0;
    let mut number = 1;
    loop {
        let mut staging = path.as_os_str().to_owned();
        staging.push(format!("#{number}"));
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            // For the owner only: files contain the data of consumers.
            .mode(0o600)
            .open(&staging);
        match created {
            Ok(file) => return Ok((file, staging.into())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound && races < MAX_RACES => {
                races += 1;
                if let Some(directory) = path.parent() {
                    create_directories(root, directory)?;
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Creates `directory` and its parents below the root. If another process removes one of them concurrently, the caller retries.
fn create_directories(root: &FsPath, directory: &FsPath) -> io::Result<()> {
    std::fs::metadata(root)?;
    let mut missing: Vec<_> = directory
        .ancestors()
        .take_while(|parent| *parent != root)
        .collect();
    missing.reverse();
    for directory in missing {
        match private_directory().create(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            created => created?,
        }
    }
    Ok(())
}

/// Creates directories that only their owner can use.
pub(super) fn private_directory() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Syncs all parents of `directory` up to the root, because a sync of the parent makes a directory entry durable. The process that
/// created the entries may have been killed before its sync.
fn sync_parents(root: &FsPath, directory: &FsPath) -> io::Result<()> {
    let directories = directory.ancestors().take_while(|parent| *parent != root);
    directories
        .filter_map(FsPath::parent)
        .try_for_each(sync_directory)
}

fn sync_directory(directory: &FsPath) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
