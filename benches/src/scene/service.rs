//! One of our services as a process: started, asked what it uses, ended.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use exports_sandbox::TemporaryFolder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::usage;

const START_LIMIT: Duration = Duration::from_secs(30);
/// Longer than a service takes to finish what it does.
const STOP_LIMIT: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    process: Child,
    log: PathBuf,
    address: String,
}

impl Service {
    pub(super) fn start(
        name: &'static str,
        mut command: Command,
        log: PathBuf,
        folder: &TemporaryFolder,
    ) -> Result<Self> {
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        command.stdout(Stdio::null()).stderr(file);
        let process = folder.spawn(&mut command);
        let process = process.with_context(|| command.get_program().display().to_string())?;
        Ok(Self {
            name,
            process,
            log,
            address: String::new(),
        })
    }

    /// Where an API listens, `http://127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the API says where it listens.
    pub(super) async fn find_address(&mut self) -> Result<()> {
        let listening = self.wait_for_event("listening").await?;
        let address = listening["address"].as_str().context("no address")?;
        address.clone_into(&mut self.address);
        Ok(())
    }

    /// Waits for a line of its log with this message, and gives its fields.
    pub(crate) async fn wait_for_event(&mut self, message: &str) -> Result<Value> {
        let begun = Instant::now();
        loop {
            let ended = self.process.try_wait()?;
            if let Some(event) = self.event(message)? {
                return Ok(event);
            }
            if ended.is_some() || begun.elapsed() > START_LIMIT {
                bail!(
                    "{} did not log {message:?} ({ended:?}):\n{}",
                    self.name,
                    self.log_end()
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The most resident memory that it has had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        usage::peak_memory(self.process.id())
    }

    /// The processor time that it has used so far, user and system.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        usage::cpu_seconds(self.process.id())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        kill(
            Pid::from_raw(self.process.id().cast_signed()),
            Signal::SIGTERM,
        )?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                if !status.success() {
                    bail!("{} ended ({status}):\n{}", self.name, self.log_end());
                }
                return Ok(());
            }
            if begun.elapsed() > STOP_LIMIT {
                bail!("{} does not end:\n{}", self.name, self.log_end());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The last lines of its log, for what went wrong.
    pub(crate) fn log_end(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn event(&self, message: &str) -> Result<Option<Value>> {
        let log = fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())?;
        Ok(log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|event| event["message"] == message))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // An error means that it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
