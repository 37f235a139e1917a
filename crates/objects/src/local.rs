//! A directory as a store.
//!
//! Owns the file system side: where a key lies, durable writes, the staging files `<key>#<n>` that a killed upload leaves
//! behind and that `object_store` can neither list nor delete, and the directories that a key's parts make. Everything that
//! touches the disk runs off the async threads.

mod direct;
mod sweep;
mod upload;

use std::fmt;
use std::io;
use std::path::{Path as FsPath, PathBuf};

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::task::spawn_blocking;

use crate::config::OpenError;
use crate::error::{ErrorKind, StoreError};

pub(crate) use upload::LocalUpload;

/// How often a write is begun anew because another process removed its still empty directory. Each time takes a new
/// deletion in the same project at the same instant.
const RACES: usize = 5;

/// A file that is open for reading.
#[derive(Debug)]
pub struct LocalFile {
    /// At its beginning. Stays readable when the object is deleted meanwhile.
    pub file: tokio::fs::File,
    /// In bytes.
    pub size: u64,
}

/// The files of one directory.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    root: PathBuf,
    files: LocalFileSystem,
}

impl LocalFiles {
    /// Makes the directory if it is not there: `object_store` resolves it once, at the start.
    pub(crate) fn open(root: &FsPath) -> Result<Self, OpenError> {
        let opened = std::fs::create_dir_all(root).and_then(|()| std::fs::canonicalize(root));
        let root = opened.map_err(|error| OpenError::Directory(error.to_string()))?;
        let files = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| OpenError::Directory(error.to_string()))?;
        // No `with_automatic_cleanup`: it removes directories only after a deletion that found its file. See `sweep`.
        Ok(Self {
            root,
            files: files.with_fsync(true),
        })
    }

    /// Whether files can be made here now.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let root = self.root.clone();
        let probe = root.join(format!(".writable-{}", std::process::id()));
        blocking("cannot use the store's directory", move || {
            std::fs::create_dir_all(&root)?;
            std::fs::write(&probe, b"probe")?;
            std::fs::remove_file(&probe)
        })
        .await
    }

    /// A whole file. What is left of a failed one is removed.
    pub(crate) async fn put(&self, key: &Path, data: PutPayload) -> Result<(), StoreError> {
        const ACTION: &str = "cannot write the file";
        self.path(key)?;
        let mut written = self.files.put(key, data.clone()).await;
        for _ in 1..RACES {
            if !written.as_ref().is_err_and(directory_vanished) {
                break;
            }
            written = self.files.put(key, data.clone()).await;
        }
        if written.is_err() {
            let _ = self.discard(key, Sweep::Staging).await;
        }
        written.map(drop).map_err(StoreError::store(ACTION))
    }

    /// Begins a file that comes in parts.
    pub(crate) async fn begin(&self, key: &Path) -> Result<LocalUpload, StoreError> {
        let (root, path) = (self.root.clone(), self.path(key)?);
        blocking("cannot begin the file", move || {
            LocalUpload::begin(&root, path)
        })
        .await
    }

    /// The size of a file, if it is there.
    pub(crate) async fn size(&self, key: &Path) -> Result<Option<u64>, StoreError> {
        let path = self.path(key)?;
        blocking("cannot look the file up", move || {
            match std::fs::metadata(path) {
                Ok(found) => Ok(found.is_file().then_some(found.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Opens a file for reading.
    pub(crate) async fn read(&self, key: &Path) -> Result<LocalFile, StoreError> {
        let path = self.path(key)?;
        blocking("cannot open the file", move || {
            let file = std::fs::File::open(path)?;
            let found = file.metadata()?;
            if !found.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(LocalFile {
                size: found.len(),
                file: file.into(),
            })
        })
        .await
    }

    /// Removes what there is of a key and the directories that are empty then. Finding nothing is success.
    pub(crate) async fn discard(&self, key: &Path, what: Sweep) -> Result<(), StoreError> {
        let (root, path) = (self.root.clone(), self.path(key)?);
        blocking("cannot remove the file", move || {
            if what == Sweep::Everything {
                sweep::file(&path)?;
            }
            sweep::staging(&path)?;
            sweep::empty_directories(&root, &path)
        })
        .await
    }

    /// Where a key lies. `Path` has no `..` and no empty segments, so this is always inside the root.
    fn path(&self, key: &Path) -> Result<PathBuf, StoreError> {
        let path = self.files.path_to_filesystem(key).ok();
        path.filter(|path| path.starts_with(&self.root) && *path != self.root)
            .ok_or_else(|| {
                StoreError::new(
                    ErrorKind::Invalid,
                    "cannot use the key",
                    "no file can have this name",
                )
            })
    }
}

impl fmt::Display for LocalFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file://{}", self.root.display())
    }
}

/// How much of a key [`LocalFiles::discard`] removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweep {
    Staging,
    Everything,
}

fn directory_vanished(error: &object_store::Error) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |&link| link.source())
        .filter_map(|link| link.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::NotFound)
}

async fn blocking<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(work)
        .await
        .map_err(|_| shutting_down(action))?;
    done.map_err(StoreError::io(action))
}

fn shutting_down(action: &'static str) -> StoreError {
    StoreError::new(
        ErrorKind::Unavailable,
        action,
        "the process is shutting down",
    )
}

#[cfg(test)]
mod tests;
