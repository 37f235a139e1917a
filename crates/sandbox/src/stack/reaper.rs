//! The process that ends the services and removes the folder when `exportctl` is gone, however it
//! went. Owns that process, its pipe and the folder; not what is in the folder.
//!
//! It is a shell in a process group of its own, so that Ctrl-C in a terminal does not reach it,
//! and the services join that group: their end is the owner's decision too. Its standard input is a
//! pipe that the kernel closes with the owner, SIGKILL included. The normal end takes the same way.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use anyhow::{Context, Result, anyhow};

#[derive(Debug)]
pub(super) struct Reaper {
    folder: PathBuf,
    process: Child,
    group: i32,
    pipe: Option<ChildStdin>,
}

impl Reaper {
    /// Makes a temporary folder that goes with this reaper.
    pub(super) async fn start() -> Result<Self> {
        let parent = std::path::absolute(std::env::temp_dir()).context("the temporary folder")?;
        let folder = tempfile::Builder::new()
            .prefix("exports-demo-")
            .tempdir_in(&parent)
            .context(format!("cannot make a folder in {}", parent.display()))?;
        let mut process = Command::new("/bin/sh")
            .args(["-c", include_str!("reaper.sh"), "reaper"])
            .arg(folder.path())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start /bin/sh")?;
        let refused = || anyhow!("/bin/sh did not start as it should");
        let output = process.stdout.take().ok_or_else(refused)?;
        let mut said = String::new();
        let read = BufReader::new(output).read_line(&mut said).await;
        read.context("/bin/sh")?;
        let group = process.id().and_then(|id| i32::try_from(id).ok());
        match group {
            // From here on the folder is the reaper's to remove.
            Some(group) if said == "ready\n" => Ok(Self {
                folder: folder.keep(),
                pipe: process.stdin.take(),
                process,
                group,
            }),
            _ => Err(refused()),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a program that ends with the reaper's owner.
    pub(super) fn spawn(&self, command: &mut Command) -> std::io::Result<Child> {
        command.process_group(self.group).kill_on_drop(true).spawn()
    }

    /// Has the folder outlast this process, which may still write into it when told to end.
    pub(super) async fn wait_for(&mut self, process: &Child) -> Result<()> {
        let (Some(pipe), Some(id)) = (&mut self.pipe, process.id()) else {
            return Ok(());
        };
        let told = pipe.write_all(format!("{id}\n").as_bytes()).await;
        told.context("the reaper of the processes is gone")
    }

    /// Tells the services to end. Reap them then: the reaper waits for that.
    pub(super) fn release(&mut self) {
        drop(self.pipe.take());
    }

    /// Waits until nothing is left.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.release();
        let ended = self.process.wait().await;
        ended.context("cannot wait for the reaper of the processes")?;
        if self.folder.exists() {
            let folder = self.folder.display();
            return Err(anyhow!("could not remove {folder}"));
        }
        Ok(())
    }
}
