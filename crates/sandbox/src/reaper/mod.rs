//! The reaper: a process that removes folders, processes and containers when their owner has ended, even by SIGKILL.
//!
//! The reaper is a shell, and its stdin is a pipe that only the owner holds. When the owner closes the pipe or ends, the kernel
//! closes it, and the reaper reads the end of file. The reaper leads its own process group, so that Ctrl-C in a terminal does not
//! reach it. The programs that it has to end join that group, so it needs no process ids.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use crate::error::Error;

#[cfg(test)]
mod tests;

const FOLDER_SCRIPT: &str = include_str!("folder.sh");
const CONTAINER_SCRIPT: &str = include_str!("container.sh");
const DOCKER_LABEL_SCRIPT: &str = include_str!("docker_label.sh");

/// A running reaper. The drop starts the removal and waits until it is complete.
#[derive(Debug)]
pub struct Reaper {
    process: Child,
    // Close-on-exec, like every pipe of std: no other child of the owner keeps it open.
    pipe: Option<ChildStdin>,
}

impl Reaper {
    /// Ends the processes of its group and removes `folder`.
    pub(crate) fn of_folder(folder: &OsStr) -> Result<Self, Error> {
        Self::spawn(FOLDER_SCRIPT, Command::new("/bin/sh"), &[folder])
            .map_err(|reason| Error::Reaper { reason })
    }

    /// Removes every container, network and volume of the local Docker engine that has this label (`key=value`).
    pub fn of_docker_label(label: &str) -> Result<Self, Error> {
        let shell = Command::new("/bin/sh");
        Self::spawn(DOCKER_LABEL_SCRIPT, shell, &[OsStr::new(label)])
            .map_err(|reason| Error::Reaper { reason })
    }

    /// Runs `docker` with the arguments that start the container `name`, and removes the container later. The reaper itself starts
    /// it, so that the container cannot appear after its removal. The error is docker's output.
    pub(crate) fn of_container(
        docker: &OsStr,
        name: &str,
        arguments: &[String],
        password: &str,
    ) -> Result<Self, String> {
        let mut shell = Command::new("/bin/sh");
        // In the environment, because every user can read command lines.
        shell.env("POSTGRES_PASSWORD", password);
        let mut all = vec![docker, OsStr::new(name)];
        all.extend(arguments.iter().map(OsStr::new));
        Self::spawn(CONTAINER_SCRIPT, shell, &all)
    }

    /// Starts the shell and waits until it ignores signals and prints `ready`. Any other output is the error.
    fn spawn(script: &str, mut shell: Command, arguments: &[&OsStr]) -> Result<Self, String> {
        let mut process = shell
            .args(["-c", script, "reaper"])
            .args(arguments)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("/bin/sh: {error}"))?;
        let pipe = process.stdin.take();
        let output = process.stdout.take();
        let mut reaper = Self { process, pipe };
        let mut printed = String::new();
        output
            .map_or(Ok(0), |mut output| output.read_to_string(&mut printed))
            .map_err(|error| error.to_string())?;
        if printed.trim() == "ready" {
            return Ok(reaper);
        }
        // The drop waits for the shell; its status adds nothing to the output.
        reaper.release();
        Err(printed.trim().to_owned())
    }

    /// The process group that the programs join.
    pub(crate) fn group(&self) -> i32 {
        self.process.id().cast_signed()
    }

    /// Gives a process of the group up to 10 seconds after SIGTERM.
    pub(crate) fn allow_shutdown(&mut self, pid: u32) -> io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => writeln!(pipe, "{pid}"),
            None => Ok(()),
        }
    }

    /// Starts the removal and does not wait for it.
    pub(crate) fn release(&mut self) {
        drop(self.pipe.take());
    }

    /// Starts the removal and waits until it is complete. May be called twice.
    pub(crate) fn finish(&mut self) -> io::Result<ExitStatus> {
        self.release();
        self.process.wait()
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // Callers that need the result call `finish` first.
        let _ = self.finish();
    }
}
