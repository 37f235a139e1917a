//! One `postgres` process: started, awaited until ready, stopped. Owns the process, not its files or their removal.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::Error;
use crate::programs::last_lines;
use crate::user::RunAs;

/// After an immediate stop the server replays its log first, on a machine that may be busy.
const READY_WITHIN: Duration = Duration::from_mins(2);
const STOPPED_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How to stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are ended and everything is written: as an operator stops a server.
    Fast,
    /// At once, with recovery at the next start: as a crash looks to the clients.
    Immediate,
}

/// A server that accepts connections.
#[derive(Debug)]
pub(crate) struct Postmaster {
    process: Child,
}

/// Where a server's files are.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
}

impl Files {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            log: folder.join("log"),
        }
    }

    /// Whether the server `pid` says in its lock file that it accepts connections. A crashed predecessor's file has another pid.
    fn says_ready(&self, pid: u32) -> bool {
        let Ok(text) = fs::read_to_string(self.data.join("postmaster.pid")) else {
            return false;
        };
        let mut lines = text.lines();
        lines.next() == Some(&pid.to_string()) && lines.nth(6).is_some_and(|s| s.trim() == "ready")
    }

    fn log_from(&self, start: usize) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(text.get(start..).unwrap_or_default()).into_owned()
    }
}

impl Postmaster {
    /// Runs `command`, which is `postgres` with its arguments, and returns when it accepts connections.
    pub(crate) fn start(
        mut command: Command,
        port: u16,
        files: &Files,
        user: &RunAs,
    ) -> Result<Self, Error> {
        let program = PathBuf::from(command.get_program());
        let log = open_log(&files.log)?;
        let log_start = files.log_from(0).len();
        let process = command
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(|source| log_error(files, source))?)
            .stdout(log)
            .spawn()
            .map_err(|source| Error::Run {
                program,
                user: user.name(),
                source,
            })?;
        let mut postmaster = Self { process };
        match postmaster.wait_until_ready(files) {
            Outcome::Ready => Ok(postmaster),
            Outcome::Ended(status) => Err(why_ended(status, port, &files.log_from(log_start))),
            Outcome::TimedOut => {
                // Its children notice and follow.
                let _ = postmaster.process.kill();
                let _ = postmaster.process.wait();
                Err(Error::ServerNotReady {
                    seconds: READY_WITHIN.as_secs(),
                    log: last_lines(&files.log_from(log_start)),
                })
            }
        }
    }

    fn wait_until_ready(&mut self, files: &Files) -> Outcome {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Outcome::Ended(status);
            }
            if files.says_ready(self.process.id()) {
                return Outcome::Ready;
            }
            sleep(LOOK_EVERY);
        }
        Outcome::TimedOut
    }

    /// Stops the server and returns when its processes are gone.
    pub(crate) fn stop(&mut self, how: Shutdown) -> Result<(), Error> {
        if self.ended().is_some() {
            return Ok(());
        }
        self.signal(match how {
            Shutdown::Fast => Signal::SIGINT,
            Shutdown::Immediate => Signal::SIGQUIT,
        });
        let deadline = Instant::now() + STOPPED_WITHIN;
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                return Err(Error::ServerNotStopped {
                    pid: self.process.id(),
                    seconds: STOPPED_WITHIN.as_secs(),
                });
            }
            sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// How the process ended, if it has. A process that cannot be asked about is one that is gone.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process
            .try_wait()
            .unwrap_or_else(|_| Some(ExitStatus::default()))
    }

    /// Only sent while the process has not been waited for, so that the id is still its own.
    fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), signal);
    }
}

enum Outcome {
    Ready,
    Ended(ExitStatus),
    TimedOut,
}

/// The log belongs to the caller and is passed on open, so that it may lie wherever the caller can write.
fn open_log(path: &Path) -> Result<File, Error> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| Error::File {
            action: "open the log",
            path: path.to_owned(),
            source,
        })
}

fn log_error(files: &Files, source: std::io::Error) -> Error {
    Error::File {
        action: "open the log",
        path: files.log.clone(),
        source,
    }
}

/// The messages are English: the clusters' locale is C.
fn why_ended(status: ExitStatus, port: u16, log: &str) -> Error {
    if log.contains("could not bind") {
        return Error::PortTaken { port };
    }
    Error::ServerEnded {
        status,
        log: last_lines(log),
    }
}
