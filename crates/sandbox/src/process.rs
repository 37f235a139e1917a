//! A program as a child process: its environment, captured output, signals and resource usage. For the demo, the tests and
//! the benchmarks.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::programs::{SHOWN_LINES, last_lines};

mod builder;
mod freshness;
mod kept_log;
mod usage;

pub use builder::{ProcessBuilder, command, program};
pub use usage::{Memory, Stat};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running program. The drop kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    // Files without a name. A pipe would need a thread that reads it.
    errors: File,
    output: File,
    keep_log_on_panic: bool,
}

impl Process {
    /// A process that runs `command`; `name` is for messages.
    #[must_use]
    pub fn builder<'a>(name: &str, command: Command) -> ProcessBuilder<'a> {
        ProcessBuilder::new(name, command)
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard error so far: the log.
    #[must_use]
    pub fn log(&self) -> String {
        read(&self.errors)
    }

    /// The last lines of its log, for error messages.
    #[must_use]
    pub fn log_end(&self) -> String {
        last_lines(&self.log(), SHOWN_LINES)
    }

    /// Its standard output so far.
    #[must_use]
    pub fn output(&self) -> String {
        read(&self.output)
    }

    /// The JSON objects in the log (`EXPORTS_LOG_FORMAT=json`).
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        json_objects(&self.log()).collect()
    }

    /// Waits for a log line that contains `text`, and returns the first one. Fails if the process ends before that.
    pub async fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String> {
        self.wait_in_log(text, limit, |log| {
            log.lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        })
        .await
    }

    /// Waits for a log event with this message, and returns its fields. Fails if the process ends before that.
    pub async fn wait_for_event(&mut self, message: &str, limit: Duration) -> Result<Value> {
        self.wait_in_log(message, limit, |log| {
            json_objects(log).find(|event| event["message"] == message)
        })
        .await
    }

    /// Waits until the service listens, and returns its address, `http://127.0.0.1:port`.
    pub async fn wait_for_address(&mut self, limit: Duration) -> Result<String> {
        let event = self.wait_for_event("listening", limit).await?;
        let address = event["address"].as_str();
        Ok(address
            .context("the event `listening` has no address")?
            .to_owned())
    }

    async fn wait_in_log<T>(
        &mut self,
        what: &str,
        limit: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            // The status first: the log of a process that has ended is complete.
            let ended = self.ended()?;
            let mut log = self.log();
            if ended.is_none() {
                log.truncate(log.rfind('\n').map_or(0, |end| end + 1));
            }
            if let Some(found) = find(&log) {
                return Ok(found);
            }
            if let Some(status) = ended {
                bail!("{} ended ({status}) before it logged {what:?}", self.name);
            }
            if start.elapsed() > limit {
                bail!("{} did not log {what:?} within {limit:?}", self.name);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait();
        status.with_context(|| format!("cannot get the exit status of {}", self.name))
    }

    /// Waits until it has ended.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until it has ended; fails if it still runs after `limit`.
    pub async fn wait_within(&mut self, limit: Duration) -> Result<ExitStatus> {
        match tokio::time::timeout(limit, self.wait()).await {
            Ok(status) => status,
            Err(_) => bail!("{} did not end within {limit:?}", self.name),
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.id().cast_signed()), signal)
            .with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Sends SIGSTOP, and waits until the process is stopped.
    pub async fn pause(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        ensure!(self.ended()?.is_none(), "{} has ended", self.name);
        self.signal(Signal::SIGSTOP)?;
        while !Stat::of(self.id())?.is_stopped() {
            ensure!(self.ended()?.is_none(), "{} has ended", self.name);
            ensure!(
                start.elapsed() < limit,
                "{} was not stopped within {limit:?}",
                self.name
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Its resident memory (Linux).
    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.id())
    }

    /// The processor time that it has used so far, user and system, in seconds (Linux).
    pub fn cpu_seconds(&self) -> Result<f64> {
        Ok(Stat::of(self.id())?.cpu_seconds)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL also ends a stopped process. An error means that the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.keep_log_on_panic && std::thread::panicking() {
            kept_log::keep(&self.name, self.id(), &self.log());
        }
    }
}

/// The whole file. Does not move the offset, which the process shares.
fn read(file: &File) -> String {
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(the captured output cannot be read: {error})"),
    }
}

fn json_objects(log: &str) -> impl Iterator<Item = Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn the_address_is_read_from_the_listening_event_only() {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(
            r#"echo 'listening address=http://127.0.0.1:1' >&2
            echo '{"message":"ready","address":"http://127.0.0.1:2"}' >&2
            echo '{"message":"listening","address":"http://127.0.0.1:3"}' >&2"#,
        );
        let mut process = Process::builder("sh", shell).start().unwrap();
        let address = process.wait_for_address(LIMIT).await.unwrap();
        assert_eq!(address, "http://127.0.0.1:3");
        assert!(process.wait_within(LIMIT).await.unwrap().success());
    }
}
