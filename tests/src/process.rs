//! The programs of the service as processes: [`exports_sandbox::process`] with panics instead of errors, and a separate
//! environment.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use exports_sandbox::process as sandbox;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::eventually::TIMEOUT;

/// The path of one of the workspace's programs.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    expect(sandbox::program(name))
}

fn our_command(
    name: &str,
    arguments: &[&str],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Command {
    let mut command = sandbox::command(program(name));
    for kept in ["PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.args(arguments).envs(environment);
    command
}

/// A running program. The drop kills it; if the test fails, the drop writes its log to a file and prints the path.
#[derive(Debug)]
pub struct Process(sandbox::Process);

impl Process {
    /// Starts a program of the service ([`program`]) with these variables. From the user's environment it gets only `PATH` and
    /// `TMPDIR`.
    #[must_use]
    pub fn start(
        name: &str,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self::spawn(name, our_command(name, arguments, environment))
    }

    /// The same, but standard error goes to `stderr` and is not captured.
    #[must_use]
    pub fn start_logging_to(
        stderr: impl Into<Stdio>,
        name: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let builder = sandbox::Process::builder(name, our_command(name, &[], environment));
        Self(expect(builder.stderr(stderr).start()))
    }

    /// Starts any command and captures its output.
    #[must_use]
    pub fn spawn(name: &str, command: Command) -> Self {
        let builder = sandbox::Process::builder(name, command).keep_log_on_panic();
        Self(expect(builder.start()))
    }

    /// Waits for a log line that contains `text`, and returns the first one. Panics if the process ends before that.
    pub async fn wait_for_line(&mut self, text: &str) -> String {
        expect(self.0.wait_for_line(text, TIMEOUT).await)
    }

    /// Waits for a log event with this message, and returns its fields.
    pub async fn wait_for_event(&mut self, message: &str) -> Value {
        expect(self.0.wait_for_event(message, TIMEOUT).await)
    }

    /// Waits until the API listens, and returns its address.
    pub async fn wait_for_address(&mut self) -> String {
        expect(self.0.wait_for_address(TIMEOUT).await)
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        expect(self.0.ended())
    }

    /// Waits until it has ended.
    pub async fn wait(&mut self) -> ExitStatus {
        self.wait_for(TIMEOUT).await
    }

    /// Waits until it has ended; panics if it still runs after `limit`.
    pub async fn wait_for(&mut self, limit: Duration) -> ExitStatus {
        expect(self.0.wait_within(limit).await)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        expect(self.0.signal(signal));
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends SIGSTOP, and waits until the process is stopped.
    pub async fn pause(&mut self) {
        expect(self.0.pause(TIMEOUT).await);
    }

    /// Sends SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Sends SIGKILL, and waits until the process has ended.
    pub async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait().await;
    }

    /// Its resident memory now and at most, in bytes.
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        let memory = expect(self.0.memory());
        (memory.current, memory.peak)
    }
}

/// Gives `id`, `log`, `output` and `events`.
impl Deref for Process {
    type Target = sandbox::Process;

    fn deref(&self) -> &sandbox::Process {
        &self.0
    }
}

fn expect<T>(result: Result<T, impl std::fmt::Display>) -> T {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}
