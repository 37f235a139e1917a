//! The process that cleans up when the owner is gone, however it went. Owns that process and its pipe; what is to be removed is
//! said by the scripts next to this file.
//!
//! The reaper is a shell whose stdin is a pipe held by the owner alone. When the owner drops the pipe or dies, SIGKILL included,
//! the kernel closes it and the reaper reads the end of file. It leads a process group of its own, so that Ctrl-C in a terminal does
//! not reach it, and the cluster's programs join that group: it can end all of them, also those that were just being started,
//! without knowing a single process id.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use crate::error::Error;

const CLUSTER_SCRIPT: &str = include_str!("folder.sh");
const CONTAINER_SCRIPT: &str = include_str!("container.sh");

/// A running reaper. Dropping it makes it do its work and waits for that.
#[derive(Debug)]
pub(crate) struct Reaper {
    process: Child,
    // Close-on-exec, as every pipe of std: no other child of the owner holds it open.
    pipe: Option<ChildStdin>,
}

impl Reaper {
    /// Will end the processes of its group and remove `folder`.
    pub(crate) fn of_folder(folder: &OsStr) -> Result<Self, Error> {
        Self::spawn(CLUSTER_SCRIPT, Command::new("/bin/sh"), &[folder])
            .map_err(|reason| Error::Reaper { reason })
    }

    /// Runs `docker` with the arguments to start a container of that name, and will remove it. The reaper itself starts it, so that
    /// it cannot come to be after its removal. The error is what docker said.
    pub(crate) fn of_container(
        docker: &OsStr,
        name: &str,
        arguments: &[String],
        password: &str,
    ) -> Result<Self, String> {
        let mut shell = Command::new("/bin/sh");
        // In the environment, because command lines can be read by every user.
        shell.env("POSTGRES_PASSWORD", password);
        let mut all = vec![docker, OsStr::new(name)];
        all.extend(arguments.iter().map(OsStr::new));
        Self::spawn(CONTAINER_SCRIPT, shell, &all)
    }

    /// Starts the shell and waits until it ignores signals and says `ready`; anything else it says is the error.
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
        let mut said = String::new();
        output
            .map_or(Ok(0), |mut output| output.read_to_string(&mut said))
            .map_err(|error| error.to_string())?;
        if said.trim() == "ready" {
            return Ok(reaper);
        }
        // Its end is awaited by the drop; the status would add nothing to what it said.
        drop(reaper.pipe.take());
        Err(said.trim().to_owned())
    }

    /// The process group that the cluster's programs join.
    pub(crate) fn group(&self) -> i32 {
        self.process.id().cast_signed()
    }

    /// Closes the pipe and waits until the reaper has done its work. Safe to repeat.
    pub(crate) fn finish(&mut self) -> io::Result<ExitStatus> {
        drop(self.pipe.take());
        self.process.wait()
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // Whoever wants to know calls `finish` first.
        let _ = self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    #[test]
    fn the_pipe_is_not_inherited_by_other_children() {
        let folder = tempfile::tempdir().unwrap().keep();
        let reaper = Reaper::of_folder(folder.as_os_str()).unwrap();
        let flags = fcntl(reaper.pipe.as_ref().unwrap(), FcntlArg::F_GETFD).unwrap();
        assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
        drop(reaper);
        assert!(!folder.exists());
    }

    #[test]
    fn the_reaper_survives_the_signals_that_end_its_owner() {
        use nix::sys::signal::{Signal, killpg};
        let folder = tempfile::tempdir().unwrap().keep();
        let mut reaper = Reaper::of_folder(folder.as_os_str()).unwrap();
        let group = nix::unistd::Pid::from_raw(reaper.group());
        for signal in [
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGTERM,
        ] {
            killpg(group, signal).unwrap();
        }
        assert!(reaper.process.try_wait().unwrap().is_none());
        assert!(folder.exists());
        reaper.finish().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn members_of_the_group_end_with_the_reaper() {
        let folder = tempfile::tempdir().unwrap().keep();
        let reaper = Reaper::of_folder(folder.as_os_str()).unwrap();
        let mut member = Command::new("/bin/sh")
            .args(["-c", "trap '' TERM QUIT; while :; do sleep 1; done"])
            .process_group(reaper.group())
            .spawn()
            .unwrap();
        drop(reaper);
        assert!(!member.wait().unwrap().success());
    }
}
