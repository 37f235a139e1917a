//! The root directory of a file store, and blocking work in it.

use std::fmt;
use std::io;
use std::path::{Path as FsPath, PathBuf};

use tokio::task::spawn_blocking;

use super::upload::private_directory;
use crate::config::OpenError;
use crate::error::{ErrorKind, StoreError};

/// What to do with a missing root directory when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Create,
    Fail,
}

/// The root directory, resolved once when the store is opened. It is never created later: a directory in place of an unmounted
/// volume would hide the error.
#[derive(Debug, Clone)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn open(root: &FsPath, if_missing: IfMissing) -> Result<Self, OpenError> {
        let failed = |error: &dyn fmt::Display| open_error(root, error);
        match (root.exists(), if_missing) {
            (true, _) => {}
            (false, IfMissing::Create) => create(root).map_err(|error| failed(&error))?,
            (false, IfMissing::Fail) => {
                return Err(failed(&"it does not exist: create it, or mount its volume"));
            }
        }
        let resolved = std::fs::canonicalize(root).map_err(|error| failed(&error))?;
        if !resolved.is_dir() {
            return Err(failed(&"it is not a directory"));
        }
        Ok(Self(resolved))
    }

    pub(super) fn path(&self) -> &FsPath {
        &self.0
    }

    /// Runs `work` on a thread for blocking work. If it fails and the root is missing, the error is about the root.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let root = self.0.clone();
        let checked = move || {
            work().map_err(|error| match std::fs::metadata(&root) {
                Ok(found) if found.is_dir() => StoreError::io(action)(error),
                _ => StoreError::new(ErrorKind::Unavailable, action, missing(&root)),
            })
        };
        let shutting_down = "the process is shutting down";
        spawn_blocking(checked)
            .await
            .map_err(|_| StoreError::new(ErrorKind::Unavailable, action, shutting_down))?
    }
}

pub(super) fn open_error(root: &FsPath, error: &dyn fmt::Display) -> OpenError {
    OpenError::Directory(format!("{}: {error}", root.display()))
}

/// Creates only the last component. If more is missing, a volume is not mounted or the path is wrong.
fn create(root: &FsPath) -> io::Result<()> {
    match private_directory().create(root) {
        Ok(()) => {
            tracing::warn!(directory = %root.display(), "created the directory of the store, which did not exist");
            Ok(())
        }
        // Another process created it first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) if root.parent().is_some_and(|parent| !parent.exists()) => Err(io::Error::other(
            "neither it nor its parent directory exists: create it, or mount its volume",
        )),
        Err(error) => Err(error),
    }
}

pub(super) fn missing(root: &FsPath) -> String {
    let root = root.display();
    format!(
        "the directory of the store, {root}, is missing: mount its volume, or create the directory"
    )
}
