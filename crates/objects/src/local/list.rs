//! Walks the directory of a file store. It holds one open directory per level, so memory is bounded.

use std::fs::{DirEntry, ReadDir};
use std::io;
use std::path::{Path as FsPath, PathBuf};

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::LocalFiles;
use super::root::missing;
use crate::error::{ErrorKind, StoreError};
use crate::list::{StoredObject, blocking_stream};

impl LocalFiles {
    /// All files, also staging files.
    pub(crate) fn list(&self) -> BoxStream<'static, Result<StoredObject, StoreError>> {
        let mut walk = Walk::new(self.root.path());
        let root = self.root.path().to_owned();
        blocking_stream(move || walk.next())
            .map(move |found| found.map_err(|error| failed(&root, error)))
            .boxed()
    }
}

fn failed(root: &FsPath, error: io::Error) -> StoreError {
    const ACTION: &str = "cannot list the files";
    // The walk skips everything else that is not found.
    if error.kind() == io::ErrorKind::NotFound {
        return StoreError::new(ErrorKind::Unavailable, ACTION, missing(root));
    }
    StoreError::io(ACTION)(error)
}

struct Walk {
    root: PathBuf,
    /// The first directory is not open yet.
    is_at_start: bool,
    open: Vec<ReadDir>,
}

impl Walk {
    fn new(root: &FsPath) -> Self {
        Self {
            root: root.to_owned(),
            is_at_start: true,
            open: Vec::new(),
        }
    }

    /// The next file. Nothing follows an error.
    fn next(&mut self) -> Option<io::Result<StoredObject>> {
        if std::mem::take(&mut self.is_at_start) {
            match std::fs::read_dir(&self.root) {
                Ok(entries) => self.open.push(entries),
                Err(error) => return Some(Err(error)),
            }
        }
        loop {
            let Some(entry) = self.open.last_mut()?.next() else {
                self.open.pop();
                continue;
            };
            match entry.and_then(|entry| self.visit(&entry)) {
                Ok(Some(object)) => return Some(Ok(object)),
                Ok(None) => {}
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.open.clear();
                    return Some(Err(error));
                }
            }
        }
    }

    /// Opens a directory, or returns a file. Links and files whose names are not UTF-8 are not ours.
    fn visit(&mut self, entry: &DirEntry) -> io::Result<Option<StoredObject>> {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            self.open.push(std::fs::read_dir(entry.path())?);
            return Ok(None);
        }
        let path = entry.path();
        let key = path.strip_prefix(&self.root).ok().and_then(FsPath::to_str);
        let Some(key) = key.filter(|_| kind.is_file()) else {
            return Ok(None);
        };
        let found = entry.metadata()?;
        Ok(Some(StoredObject {
            key: key.to_owned(),
            size: found.len(),
            modified: found.modified()?,
        }))
    }
}
