//! The two files.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use exports_domain::io_reason;

use super::key::TlsError;

/// No chain of certificates is larger.
const MAX_SIZE: u64 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Where it comes from, for messages.
    pub(super) files: Files,
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl Files {
    /// Reads both. Blocks.
    pub(super) fn read(&self) -> Result<Content, TlsError> {
        let at = |path: &Path| path.display().to_string();
        let certificate = read(&self.certificate).map_err(|error| {
            TlsError::Certificate(format!(
                "cannot read {}: {}",
                at(&self.certificate),
                io_reason(&error)
            ))
        })?;
        let key = read(&self.key).map_err(|error| {
            TlsError::Key(format!(
                "cannot read {}: {}",
                at(&self.key),
                io_reason(&error)
            ))
        })?;
        Ok(Content {
            files: self.clone(),
            certificate,
            key,
        })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Without the key.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}
