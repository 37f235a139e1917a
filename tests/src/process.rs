//! Our programs as processes: started with an environment of the test's making, read line by
//! line, sent signals, and never left behind.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::eventually::{TIMEOUT, eventually};

/// How much of a log a failing test shows.
const SHOWN_LINES: usize = 80;
/// How long to read on after a process has ended.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Where one of the workspace's programs lies: beside the tests that are running.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test");
    // target/<profile>/deps/<test>, or target/<profile>/examples/…
    let folder = test.ancestors().nth(2).expect("a target folder");
    let path = folder
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        path.exists(),
        "{} is missing; run: cargo build --workspace --bins",
        path.display()
    );
    path
}

fn clean(mut command: Command, environment: impl IntoIterator<Item = (String, String)>) -> Command {
    command.env_clear();
    for kept in ["PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.envs(environment);
    command
}

/// A running program. Dropping it kills it; if the test is failing, its log's end is shown.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    errors: Lines,
    output: Lines,
}

/// What a pipe has brought so far.
#[derive(Debug, Default)]
struct Lines {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts one of our programs ([`program`]) with these variables and nothing of the user's
    /// but `PATH` and `TMPDIR`.
    #[must_use]
    pub fn start(
        name: &str,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut command = Command::new(program(name));
        command.args(arguments);
        Self::spawn(name, clean(command, environment))
    }

    /// The same, with a standard error of the test's own, which is then not read here.
    #[must_use]
    pub fn start_logging_to(
        stderr: impl Into<Stdio>,
        name: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let command = clean(Command::new(program(name)), environment);
        Self::spawn_logging_to(stderr.into(), name, command)
    }

    /// Starts any command, as it is but for its pipes.
    #[must_use]
    pub fn spawn(name: &str, command: Command) -> Self {
        Self::spawn_logging_to(Stdio::piped(), name, command)
    }

    fn spawn_logging_to(stderr: Stdio, name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let errors = child.stderr.take().map(Lines::of).unwrap_or_default();
        let output = Lines::of(child.stdout.take().expect("stdout is a pipe"));
        Self {
            name: name.to_owned(),
            child,
            errors,
            output,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has written to standard error so far: its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.errors.lock().clone()
    }

    /// Everything that it has written to standard output so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().clone()
    }

    /// The log's lines that are JSON objects (`EXPORTS_LOG_FORMAT=json`), in their order.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let log = self.errors.lock();
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(Value::is_object)
            .collect()
    }

    /// Waits for a line of the log in which `text` occurs, one that is already there included,
    /// and gives that line. Panics if the process ends before.
    pub async fn wait_for_line(&mut self, text: &str) -> String {
        self.wait_in_log(text, |log| {
            log.lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        })
        .await
    }

    /// Waits for an event of the JSON log with this message, and gives its fields.
    pub async fn wait_for_event(&mut self, message: &str) -> Value {
        self.wait_in_log(message, |log| {
            log.lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|event| event["message"] == message)
        })
        .await
    }

    async fn wait_in_log<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let fact = format!("{} logs {what:?}", self.name);
        eventually(&fact, TIMEOUT, async || {
            // Asked before the log is read: what a process wrote before it ended is in there.
            let ended = self.ended();
            if ended.is_some() {
                self.errors.finish();
            }
            let found = find(&self.errors.lock());
            assert!(
                found.is_some() || ended.is_none(),
                "{} ended ({ended:?}) before it logged {what:?}",
                self.name
            );
            found
        })
        .await
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the status of a child")
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> ExitStatus {
        self.wait_for(TIMEOUT).await
    }

    /// Waits for its end, so long at the most. Its log is complete then.
    pub async fn wait_for(&mut self, limit: Duration) -> ExitStatus {
        let fact = format!("{} ends", self.name);
        let status = eventually(&fact, limit, async || self.ended()).await;
        self.errors.finish();
        self.output.finish();
        status
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).unwrap_or_else(|error| panic!("{signal} to {}: {error}", self.name));
    }

    /// Asks it to end: SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Stops it where it is: SIGSTOP. Returns when it stands still.
    pub async fn pause(&mut self) {
        assert!(self.ended().is_none(), "{} has ended", self.name);
        self.signal(Signal::SIGSTOP);
        let fact = format!("{} stands still", self.name);
        eventually(&fact, TIMEOUT, async || {
            let ended = self.ended();
            assert!(ended.is_none(), "{} has ended: {ended:?}", self.name);
            self.is_paused().then_some(())
        })
        .await;
    }

    /// Lets it go on: SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Ends it without a word: SIGKILL. Returns when it is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait().await;
    }

    /// Its resident memory now, in bytes, and the most that it has had.
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        let status = self.proc_file("status");
        let bytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kibibytes =
                line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kibibytes.unwrap_or_else(|| panic!("{field} in {status}")) * 1024
        };
        (bytes("VmRSS:"), bytes("VmHWM:"))
    }

    fn is_paused(&self) -> bool {
        // `pid (name) state …`; the name may hold anything but ends at the last parenthesis.
        let stat = self.proc_file("stat");
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    }

    fn proc_file(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL ends a stopped process too. An error means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.errors.finish();
            let log = self.errors.lock();
            let lines: Vec<_> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!(
                "--- the log of {}, its end:\n{}",
                self.name,
                shown.join("\n")
            );
        }
    }
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            // Whole lines, so that nobody finds half of one. An error is the pipe's end as well.
            while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
                let mut text = written.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the pipe is read to its end, but not for ever: a child's child can hold it
    /// open. Only for processes that have ended.
    fn finish(&mut self) {
        let Some(reader) = self.reader.take() else {
            return;
        };
        let begun = Instant::now();
        while !reader.is_finished() && begun.elapsed() < DRAIN_LIMIT {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
