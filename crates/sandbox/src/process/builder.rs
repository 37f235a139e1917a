//! Starts a process: its program, environment and output.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::Process;
use super::freshness::ensure_current;
use crate::TemporaryFolder;

/// The path of one of the workspace's programs: in the folder of the running program, or above it for a test in `deps`.
/// Fails if the program is older than its source code: `cargo test` does not build all programs.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the path of the running program")?;
    let mut folders = own.ancestors().skip(1);
    let folder = folders.find(|folder| !folder.ends_with("deps") && !folder.ends_with("examples"));
    let program = folder
        .context("the running program has no folder")?
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    ensure!(
        program.is_file(),
        "{} is missing; run: cargo build --workspace --bins",
        program.display()
    );
    ensure_current(&program)?;
    Ok(program)
}

/// A command without the user's environment, whose variables can be meant for another installation.
#[must_use]
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command
}

/// Options of a process.
#[derive(Debug)]
pub struct ProcessBuilder<'a> {
    name: String,
    command: Command,
    folder: Option<&'a TemporaryFolder>,
    stderr: Option<Stdio>,
    keep_log_on_panic: bool,
}

impl<'a> ProcessBuilder<'a> {
    pub(super) fn new(name: &str, command: Command) -> Self {
        Self {
            name: name.to_owned(),
            command,
            folder: None,
            stderr: None,
            keep_log_on_panic: false,
        }
    }

    /// The process ends with this folder, even if this program is killed.
    #[must_use]
    pub fn folder(mut self, folder: &'a TemporaryFolder) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Standard error goes here and is not captured.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// If the thread is panicking, the drop writes the log to a file and prints its path.
    #[must_use]
    pub fn keep_log_on_panic(mut self) -> Self {
        self.keep_log_on_panic = true;
        self
    }

    /// Starts it, with an empty standard input.
    pub fn start(mut self) -> Result<Process> {
        let failed = || format!("cannot start {}", self.name);
        let output = tempfile::tempfile().with_context(failed)?;
        let errors = tempfile::tempfile().with_context(failed)?;
        let stderr = match self.stderr.take() {
            Some(stderr) => stderr,
            None => errors.try_clone().with_context(failed)?.into(),
        };
        self.command
            .stdin(Stdio::null())
            .stdout(output.try_clone().with_context(failed)?)
            .stderr(stderr);
        let child = match self.folder {
            Some(folder) => folder.spawn(&mut self.command),
            None => self.command.spawn(),
        };
        Ok(Process {
            child: child.with_context(failed)?,
            name: self.name,
            errors,
            output,
            keep_log_on_panic: self.keep_log_on_panic,
        })
    }
}
