//! A directory as a store.
//!
//! Files are written durably, through staging files `<key>#<n>`. `object_store` can neither list nor delete the staging files that
//! a killed process leaves, so this module accesses the file system itself. All file system calls run on threads for blocking work.

mod cleanup;
mod direct_io;
mod list;
mod probe;
mod read;
mod root;
mod upload;

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path as FsPath, PathBuf};

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use crate::config::OpenError;
use crate::error::{ErrorKind, StoreError};
use root::{Root, open_error};

pub(crate) use read::LocalFile;
pub(crate) use root::IfMissing;
pub(crate) use upload::LocalUpload;

/// The files of one directory.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    root: Root,
    /// Only maps keys to paths. Its writes would create a missing root.
    paths: LocalFileSystem,
}

/// Which files of a key [`LocalFiles::remove`] removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleanup {
    StagingFiles,
    All,
}

impl LocalFiles {
    pub(crate) fn open(root: &FsPath, if_missing: IfMissing) -> Result<Self, OpenError> {
        let resolved = Root::open(root, if_missing)?;
        let paths = LocalFileSystem::new_with_prefix(resolved.path());
        Ok(Self {
            paths: paths.map_err(|error| open_error(root, &error))?,
            root: resolved,
        })
    }

    /// Checks that the directory is writable.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let root = self.root.path().to_owned();
        let check = move || {
            probe::remove_leftovers(&root);
            probe::check_writable(&root)
        };
        self.root
            .blocking("cannot use the directory of the store", check)
            .await
    }

    /// The mode of the directory, if users other than its owner may read or change it.
    pub(crate) fn mode_for_others(&self) -> Option<u32> {
        let found = std::fs::metadata(self.root.path()).ok()?;
        let mode = found.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }

    /// Writes a whole file. If that fails, removes its staging files.
    pub(crate) async fn put(&self, key: &Path, data: Bytes) -> Result<(), StoreError> {
        let (root, path) = (self.root.path().to_owned(), self.path(key)?);
        let write = move || upload::put(&root, &path, &data);
        let written = self.root.blocking("cannot write the file", write).await;
        if written.is_err() {
            let _ = self.remove(key, Cleanup::StagingFiles).await;
        }
        written
    }

    /// Begins an upload in parts.
    pub(crate) async fn begin(&self, key: &Path) -> Result<LocalUpload, StoreError> {
        let (root, path) = (self.root.clone(), self.path(key)?);
        let begin = move || LocalUpload::begin(root, path);
        self.root.blocking("cannot begin the file", begin).await
    }

    /// The size of a file. `None` if it does not exist.
    pub(crate) async fn size(&self, key: &Path) -> Result<Option<u64>, StoreError> {
        let path = self.path(key)?;
        let look_up = move || std::fs::metadata(path);
        match self.root.blocking("cannot look up the file", look_up).await {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a file for reading.
    pub(crate) async fn read(&self, key: &Path) -> Result<LocalFile, StoreError> {
        let path = self.path(key)?;
        let open = move || {
            let file = std::fs::File::open(path)?;
            let found = file.metadata()?;
            if !found.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(LocalFile {
                size: found.len(),
                file,
            })
        };
        self.root.blocking("cannot open the file", open).await
    }

    /// Removes files of a key and the directories that are then empty. Missing files are a success. A missing root is an error: the
    /// files may reappear with its volume.
    pub(crate) async fn remove(&self, key: &Path, what: Cleanup) -> Result<(), StoreError> {
        let (root, path) = (self.root.path().to_owned(), self.path(key)?);
        let remove = move || {
            std::fs::metadata(&root)?;
            if what == Cleanup::All {
                cleanup::remove_file(&path)?;
            }
            cleanup::remove_staging_files(&path)?;
            cleanup::remove_empty_directories(&root, &path)
        };
        self.root.blocking("cannot remove the file", remove).await
    }

    /// The path of a key. A `Path` has no `..` and no empty segments, so the result is always inside the root.
    fn path(&self, key: &Path) -> Result<PathBuf, StoreError> {
        let invalid = || {
            let reason = "it is not a valid file name";
            StoreError::new(ErrorKind::Invalid, "cannot use the key", reason)
        };
        let root = self.root.path();
        let path = self.paths.path_to_filesystem(key).ok();
        path.filter(|path| path.starts_with(root) && path != root)
            .ok_or_else(invalid)
    }
}

impl fmt::Display for LocalFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file://{}", self.root.path().display())
    }
}

#[cfg(test)]
mod tests;
