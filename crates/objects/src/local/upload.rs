//! A file on its way into a directory: written under another name, then synced and renamed.
//!
//! Directories are made below the root only: see [`LocalFiles::open`](super::LocalFiles::open).
//! Parts go past the page cache where that is possible (see `direct`), so that neither a file that
//! nobody reads soon pushes out of memory what a database beside it needs, nor the last sync has
//! all of the file still to write.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::direct_io::DirectFile;
use super::{LocalFiles, RACES};
use crate::error::StoreError;

/// An upload that has begun. Dropping it leaves the staging file to `sweep`.
#[derive(Debug)]
pub(crate) struct LocalUpload {
    files: LocalFiles,
    path: PathBuf,
    staging: PathBuf,
    file: Arc<StagingFile>,
    /// Where the next part begins.
    offset: u64,
}

#[derive(Debug)]
struct StagingFile {
    file: File,
    direct: Option<DirectFile>,
}

/// Writes a whole small file. Blocks.
pub(super) fn put(root: &FsPath, path: &FsPath, data: &[u8]) -> io::Result<()> {
    let (file, staging) = create_durable(root, path)?;
    file.write_all_at(data, 0)?;
    put_in_place(&file, &staging, path)
}

impl LocalUpload {
    /// Opens a staging file for `path`, `<path>#<n>`, with an `n` that no other upload has, in a
    /// directory that is durable from the root on down. Blocks.
    pub(super) fn begin(files: LocalFiles, path: PathBuf) -> io::Result<Self> {
        let (file, staging) = create_durable(&files.root, &path)?;
        let direct = DirectFile::open(&staging);
        Ok(Self {
            files,
            path,
            staging,
            file: Arc::new(StagingFile { file, direct }),
            offset: 0,
        })
    }

    /// Writes the next part. Its place is that of this call; the future does the work.
    pub(crate) fn put_part(
        &mut self,
        data: Bytes,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (files, file, offset) = (self.files.clone(), Arc::clone(&self.file), self.offset);
        self.offset += data.len() as u64;
        async move {
            files
                .blocking("cannot write the file", move || file.write(&data, offset))
                .await
        }
    }

    /// Makes the file durable and puts it in its place.
    pub(crate) async fn complete(&mut self) -> Result<(), StoreError> {
        let file = Arc::clone(&self.file);
        let (path, staging) = (self.path.clone(), self.staging.clone());
        self.files
            .blocking("cannot complete the file", move || {
                put_in_place(&file.file, &staging, &path)
            })
            .await
    }
}

fn put_in_place(file: &File, staging: &FsPath, path: &FsPath) -> io::Result<()> {
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
    // Now that it has a file nobody removes it.
    sync_names_above(root, path.parent().unwrap_or(root))?;
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
            .open(&staging);
        match created {
            Ok(file) => return Ok((file, staging.into())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound && races < RACES => {
                races += 1;
                if let Some(directory) = path.parent() {
                    make_directories(root, directory)?;
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes the directories between the root and `directory`, and this one. One that another process removes meanwhile is no
/// error: the caller tries again.
fn make_directories(root: &FsPath, directory: &FsPath) -> io::Result<()> {
    std::fs::metadata(root)?;
    let mut inside: Vec<_> = directory
        .ancestors()
        .take_while(|above| *above != root)
        .collect();
    inside.reverse();
    for directory in inside {
        match std::fs::create_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            made => made?,
        }
    }
    Ok(())
}

/// A directory's name is durable when the directory above it is; so is that one's, up to `root`.
/// Whoever made them may not have come to this.
fn sync_names_above(root: &FsPath, directory: &FsPath) -> io::Result<()> {
    let inside = directory.ancestors().take_while(|above| *above != root);
    inside
        .filter_map(FsPath::parent)
        .try_for_each(sync_directory)
}

fn sync_directory(directory: &FsPath) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
