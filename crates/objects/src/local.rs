//! A directory as a store.
//!
//! Owns the file system side: where a key lies, durable writes, the staging files `<key>#<n>` that a killed upload leaves
//! behind and that `object_store` can neither list nor delete, and the directories that a key's parts make. Everything that
//! touches the disk runs off the async threads.

mod cleanup;
mod direct_io;
mod upload;

use std::fmt;
use std::io;
use std::path::{Path as FsPath, PathBuf};

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tokio::task::spawn_blocking;

use crate::config::OpenError;
use crate::error::{ErrorKind, StoreError};

pub(crate) use upload::LocalUpload;

/// How often a write is begun anew because another process removed its still empty directory. Each time takes a new
/// deletion in the same project at the same instant.
const RACES: usize = 5;

/// A file that is open for reading.
#[derive(Debug)]
pub(crate) struct LocalFile {
    /// At its beginning. Stays readable when the object is deleted meanwhile.
    pub(crate) file: tokio::fs::File,
    /// In bytes.
    pub(crate) size: u64,
}

/// The files of one directory.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    root: PathBuf,
    /// Says where a key lies, and nothing else: its writes would make the root again.
    names: LocalFileSystem,
}

impl LocalFiles {
    /// Resolves the directory once, at the start. Whoever finds it missing later finds a volume that is no longer mounted: a
    /// directory in its place would hide that.
    pub(crate) fn open(root: &FsPath, missing: Missing) -> Result<Self, OpenError> {
        let refused =
            |error: &dyn fmt::Display| OpenError::Directory(format!("{}: {error}", root.display()));
        match (root.exists(), missing) {
            (true, _) => {}
            (false, Missing::Make) => make(root).map_err(|error| refused(&error))?,
            (false, Missing::Refuse) => {
                return Err(refused(&"it is not there: make it, or mount its volume"));
            }
        }
        let resolved = std::fs::canonicalize(root).map_err(|error| refused(&error))?;
        if !resolved.is_dir() {
            return Err(refused(&"it is not a directory"));
        }
        let names = LocalFileSystem::new_with_prefix(&resolved).map_err(|error| refused(&error))?;
        Ok(Self {
            root: resolved,
            names,
        })
    }

    /// Whether files can be made here now.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let probe = self.root.join(format!(".writable-{}", std::process::id()));
        self.blocking("cannot use the store's directory", move || {
            std::fs::write(&probe, b"probe")?;
            std::fs::remove_file(&probe)
        })
        .await
    }

    /// A whole file. What is left of a failed one is removed.
    pub(crate) async fn put(&self, key: &Path, data: Bytes) -> Result<(), StoreError> {
        let (root, path) = (self.root.clone(), self.path(key)?);
        let written = self
            .blocking("cannot write the file", move || {
                upload::put(&root, &path, &data)
            })
            .await;
        if written.is_err() {
            let _ = self.discard(key, Sweep::Staging).await;
        }
        written
    }

    /// Begins a file that comes in parts.
    pub(crate) async fn begin(&self, key: &Path) -> Result<LocalUpload, StoreError> {
        let (files, path) = (self.clone(), self.path(key)?);
        self.blocking("cannot begin the file", move || {
            LocalUpload::begin(files, path)
        })
        .await
    }

    /// The size of a file, if it is there.
    pub(crate) async fn size(&self, key: &Path) -> Result<Option<u64>, StoreError> {
        let path = self.path(key)?;
        let found = self.blocking("cannot look the file up", move || std::fs::metadata(path));
        match found.await {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a file for reading.
    pub(crate) async fn read(&self, key: &Path) -> Result<LocalFile, StoreError> {
        let path = self.path(key)?;
        self.blocking("cannot open the file", move || {
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

    /// Removes what there is of a key and the directories that are empty then. Finding nothing is success, unless the root itself
    /// is gone: then the file may come back with its volume.
    pub(crate) async fn discard(&self, key: &Path, what: Sweep) -> Result<(), StoreError> {
        let (root, path) = (self.root.clone(), self.path(key)?);
        self.blocking("cannot remove the file", move || {
            std::fs::metadata(&root)?;
            if what == Sweep::Everything {
                cleanup::file(&path)?;
            }
            cleanup::staging(&path)?;
            cleanup::empty_directories(&root, &path)
        })
        .await
    }

    /// Work on the disk, off the async threads. Whatever fails while the root is gone fails for that.
    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let root = self.root.clone();
        let guarded = move || {
            work().map_err(|error| match std::fs::metadata(&root) {
                Ok(found) if found.is_dir() => StoreError::io(action)(error),
                _ => StoreError::new(ErrorKind::Unavailable, action, vanished(&root)),
            })
        };
        let shutting_down = "the process is shutting down";
        spawn_blocking(guarded)
            .await
            .map_err(|_| StoreError::new(ErrorKind::Unavailable, action, shutting_down))?
    }

    /// Where a key lies. `Path` has no `..` and no empty segments, so this is always inside the root.
    fn path(&self, key: &Path) -> Result<PathBuf, StoreError> {
        let path = self.names.path_to_filesystem(key).ok();
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

/// What becomes of a root that is not there when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Make,
    Refuse,
}

/// Only the last component: where more is missing a volume is not mounted, or the path is mistyped.
fn make(root: &FsPath) -> io::Result<()> {
    match std::fs::create_dir(root) {
        Ok(()) => {
            tracing::warn!(directory = %root.display(), "the store's directory was not there and has been made");
            Ok(())
        }
        // Another program was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) if root.parent().is_some_and(|above| !above.exists()) => Err(io::Error::other(
            "neither it nor the directory above it is there: make it, or mount its volume",
        )),
        Err(error) => Err(error),
    }
}

fn vanished(root: &FsPath) -> String {
    let root = root.display();
    format!("the store's directory {root} is gone: mount its volume, or make the directory again")
}

#[cfg(test)]
mod tests;
