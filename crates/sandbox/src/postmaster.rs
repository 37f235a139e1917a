//! One `postgres` process: start, wait until ready, stop.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::Error;
use crate::programs::{SHOWN_LINES, last_lines};
use crate::user::RunAs;

/// After an immediate shutdown the server first replays its log.
const READY_WITHIN: Duration = Duration::from_mins(2);
const STOPPED_WITHIN: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How to stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Ends the sessions and writes everything, like an operator.
    Fast,
    /// Ends at once and recovers at the next start. To clients it looks like a crash.
    Immediate,
}

/// A server that accepts connections.
#[derive(Debug)]
pub(crate) struct Postmaster {
    process: Child,
}

/// The paths of a server's files.
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

    /// Whether the lock file says that the server `pid` accepts connections. The file of a crashed predecessor has another pid.
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
    /// Runs `command` (`postgres` with its arguments); returns when it accepts connections.
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
                // Its children notice it and end.
                let _ = postmaster.process.kill();
                let _ = postmaster.process.wait();
                Err(Error::ServerNotReady {
                    seconds: READY_WITHIN.as_secs(),
                    log: last_lines(&files.log_from(log_start), SHOWN_LINES),
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
            sleep(POLL_INTERVAL);
        }
        Outcome::TimedOut
    }

    /// Stops the server; returns when its processes have ended.
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
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// The exit status, if the process has ended. A process without a readable status counts as ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process
            .try_wait()
            .unwrap_or_else(|_| Some(ExitStatus::default()))
    }

    /// Only before the process is reaped, so that the id cannot belong to another process.
    fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), signal);
    }
}

enum Outcome {
    Ready,
    Ended(ExitStatus),
    TimedOut,
}

/// The caller opens the log, so the cluster's user needs no access to its folder.
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

/// The messages are English, because the locale is C.
fn why_ended(status: ExitStatus, port: u16, log: &str) -> Error {
    if log.contains("could not bind") {
        return Error::PortTaken { port };
    }
    Error::ServerEnded {
        status,
        log: last_lines(log, SHOWN_LINES),
    }
}
