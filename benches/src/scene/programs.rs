//! Programs that run to their end, and where each kind of program lies.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::spawn_blocking;

use super::{Database, Scene};

impl Scene {
    /// How long `psql` takes for this, from its start to its end. `\copy` has to be alone.
    pub(crate) async fn psql(&self, database: &Database, arguments: &[&str]) -> Result<Duration> {
        let mut command = self.postgres_program("psql")?;
        command
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1"])
            .args(arguments)
            .arg(database.url());
        let begun = Instant::now();
        self.run(command).await?;
        Ok(begun.elapsed())
    }

    /// A program of PostgreSQL's (`psql`, `pgbench`), of the server's version, without the user's
    /// environment.
    pub(crate) fn postgres_program(&self, name: &str) -> Result<Command> {
        let program = self.postgres.program(name).with_context(|| {
            format!("{name} is not installed beside the PostgreSQL server's programs")
        })?;
        Ok(bare(program))
    }

    /// Runs a program that goes with the scene to its end, and gives what it printed.
    pub(crate) async fn run(&self, mut command: Command) -> Result<Output> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = self.folder.spawn(&mut command).context(name.clone())?;
        // Waited for on another thread, which ends with the process, and that with the scene.
        let output = spawn_blocking(move || process.wait_with_output()).await??;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{name} failed ({}): {}", output.status, errors.trim_end());
        }
        Ok(output)
    }

    /// One of our programs, from where this one lies.
    pub(super) fn program(&self, name: &str) -> Result<Command> {
        let own = std::env::current_exe().context("where this program lies")?;
        let program = own.with_file_name(name);
        if !program.exists() {
            bail!(
                "{} is missing: build all programs in the same way as this one",
                program.display()
            );
        }
        let mut command = bare(program);
        command.current_dir(self.folder());
        Ok(command)
    }
}

/// Nothing of the user's environment reaches what is measured.
fn bare(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command
}
