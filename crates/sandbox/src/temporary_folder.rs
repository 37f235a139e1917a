//! A folder with programs that work in it, both gone with their owner. For servers other than PostgreSQL.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::error::Error;
use crate::folder;
use crate::reaper::Reaper;
use crate::user::RunAs;

/// A temporary folder that nobody but this user can enter. When this is dropped, or its process ends in whatever way (SIGKILL
/// included), the programs started by [`spawn`](Self::spawn) are ended and the folder is removed.
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    reaper: Reaper,
}

impl TemporaryFolder {
    /// Makes one, called `exports-<what>-…`, below `TMPDIR`.
    pub fn create(what: &str) -> Result<Self, Error> {
        let (path, reaper) = folder::create(what, &RunAs::Caller)?;
        Ok(Self { path, reaper })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts a program that ends with the folder. Kill and await it before: what is still writing delays the removal.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        command.process_group(self.reaper.group()).spawn()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_and_its_programs_go_when_it_is_dropped() {
        let folder = TemporaryFolder::create("test").unwrap();
        let path = folder.path().to_owned();
        let mut forever = Command::new("/bin/sh");
        forever.args(["-c", "trap '' TERM INT HUP QUIT; while :; do sleep 1; done"]);
        let mut program = folder.spawn(&mut forever).unwrap();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
        assert!(!program.wait().unwrap().success());
    }
}
