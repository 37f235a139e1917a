//! A temporary folder for servers other than PostgreSQL, and for the services.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::error::Error;
use crate::folder;
use crate::reaper::Reaper;
use crate::user::RunAs;

/// A temporary folder that only this user can enter. When it is dropped, or when this process ends (even by SIGKILL), the
/// reaper ends the programs of [`spawn`](Self::spawn) and removes the folder.
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    reaper: Reaper,
}

impl TemporaryFolder {
    /// Creates `exports-<name>-…` below `TMPDIR`. Blocks for some milliseconds.
    pub fn create(name: &str) -> Result<Self, Error> {
        let (path, reaper) = folder::create(name, &RunAs::Caller)?;
        Ok(Self { path, reaper })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts a program that ends with the folder. Kill and await it first: a program that still writes delays the removal.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        command.process_group(self.reaper.group()).spawn()
    }

    /// Gives a program of [`spawn`](Self::spawn) up to 10 seconds to shut down after SIGTERM. Others get none.
    pub fn allow_shutdown(&mut self, pid: u32) -> io::Result<()> {
        self.reaper.allow_shutdown(pid)
    }

    /// Starts the shutdown of the programs and does not wait for it. Await the programs next: the reaper waits for them.
    pub fn release(&mut self) {
        self.reaper.release();
    }

    /// Removes the folder and waits for it.
    pub fn remove(mut self) -> Result<(), Error> {
        let _ = self.reaper.finish();
        if self.path.exists() {
            return Err(Error::NotRemoved {
                what: self.path.display().to_string(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drop_removes_the_folder_and_kills_its_programs() {
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

    #[test]
    fn a_program_can_shut_down_before_the_removal() {
        let mut folder = TemporaryFolder::create("test").unwrap();
        let mut slow = Command::new("/bin/sh");
        slow.args([
            "-c",
            "trap 'sleep 1; exit 0' TERM; echo; while :; do sleep 0.1; done",
        ]);
        slow.stdout(std::process::Stdio::piped());
        let mut program = folder.spawn(&mut slow).unwrap();
        let mut byte = [0];
        let output = program.stdout.as_mut().unwrap();
        io::Read::read_exact(output, &mut byte).unwrap();
        folder.allow_shutdown(program.id()).unwrap();
        folder.release();
        assert!(program.wait().unwrap().success());
        folder.remove().unwrap();
    }
}
