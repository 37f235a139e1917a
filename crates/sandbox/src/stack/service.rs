//! One of the services: its process and its log, which lies in the folder and from which its
//! address is read.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;

use super::reaper::Reaper;
use anyhow::{Context, Result, anyhow};

/// Lines of a log that are shown when something went wrong.
const TAIL: usize = 20;

#[derive(Debug)]
pub(super) struct Service {
    name: &'static str,
    log: PathBuf,
    process: Child,
    address: Option<oneshot::Receiver<String>>,
}

/// The line that tells where a service listens.
#[derive(Debug, Deserialize)]
struct Listening {
    message: String,
    address: String,
}

impl Service {
    /// Starts the program of that name beside this one, with an environment of its own: nothing of
    /// the user's, which may be meant for another installation.
    pub(super) async fn start(
        name: &'static str,
        environment: &[(&str, String)],
        reaper: &mut Reaper,
    ) -> Result<Self> {
        let program = program(name)?;
        let mut command = Command::new(&program);
        command
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(reaper.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let started = reaper.spawn(&mut command);
        let mut process = started.context(format!("cannot start {}", program.display()))?;
        reaper.wait_for(&process).await?;
        let log = reaper.folder().join(format!("{name}.log"));
        let file = File::create(&log).context(log.display().to_string())?;
        let (tell, address) = oneshot::channel();
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(drain(stderr, file, tell));
        }
        Ok(Self {
            name,
            log,
            process,
            address: Some(address),
        })
    }

    /// Where it listens, as it says itself, since the port is chosen by the system.
    pub(super) async fn address(&mut self) -> Result<String> {
        match self.address.take() {
            Some(address) => match address.await {
                Ok(address) => Ok(address),
                // Its standard error has ended, so it is ending itself.
                Err(_) => Err(self.ended().await),
            },
            None => Err(anyhow!("{} told its address before", self.name)),
        }
    }

    /// Waits until it ends, which it should not.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.wait().await {
            Ok(status) => anyhow!("{} ended ({status})", self.name),
            Err(error) => error,
        }
    }

    /// Waits until it has ended.
    pub(super) async fn wait(&mut self) -> Result<ExitStatus> {
        let ended = self.process.wait().await;
        ended.context(format!("cannot wait for {}", self.name))
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The most memory that it has had so far, in bytes; where the system tells (Linux).
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id()?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// The end of its log.
    pub(super) fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL)..];
        format!("the end of the log of {}:\n{}", self.name, tail.join("\n"))
    }
}

/// The services are looked for beside `exportctl` and nowhere else: a demo of other versions than
/// its own would be none.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find out where exportctl lies")?;
    let program = own
        .parent()
        .unwrap_or(Path::new("/"))
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    if program.is_file() {
        return Ok(program);
    }
    Err(anyhow!(
        "{} is missing: it has to lie beside exportctl ('cargo build --bins' builds both)",
        program.display()
    ))
}

/// Takes what a service says for as long as it can say something: a full pipe would stop it.
async fn drain(stderr: ChildStderr, mut log: File, tell: oneshot::Sender<String>) {
    let mut tell = Some(tell);
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = lines.read_until(b'\n', &mut line).await {
        // A log that cannot be written is no reason to stop the service.
        let _ = log.write_all(&line);
        if let Some(address) = listening(&line)
            && let Some(tell) = tell.take()
        {
            let _ = tell.send(address);
        }
        line.clear();
    }
}

fn listening(line: &[u8]) -> Option<String> {
    let event: Listening = serde_json::from_slice(line).ok()?;
    (event.message == "listening").then_some(event.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_tells_it_and_from_no_other() {
        let line = br#"{"timestamp":"t","level":"INFO","message":"listening","address":"http://127.0.0.1:1234","target":"a"}"#;
        assert_eq!(listening(line).as_deref(), Some("http://127.0.0.1:1234"));
        for other in [
            &br#"{"message":"listening"}"#[..],
            br#"{"message":"ready","address":"http://127.0.0.1:1"}"#,
            b"listening address=http://127.0.0.1:1",
            b"\xff",
        ] {
            assert_eq!(listening(other), None);
        }
    }
}
