//! Helpers of the tests: queries, an owner in another process, leftover processes.

#![allow(dead_code, reason = "each test crate uses a part of them")]
#![allow(clippy::unwrap_used, reason = "part of the tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use exports_sandbox::LocalPostgres;

/// The timeout of every wait, long enough for a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// The result of a query, as unformatted `psql` output.
pub(crate) fn sql(postgres: &LocalPostgres, query: &str) -> String {
    let output = Command::new(postgres.program("psql").unwrap())
        .args([&postgres.url(), "-X", "-q", "-A", "-t", "-c", query])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{query}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The process id in the server's lock file.
pub(crate) fn postmaster(postgres: &LocalPostgres) -> i32 {
    let lock = postgres.folder().unwrap().join("data/postmaster.pid");
    let text = fs::read_to_string(lock).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

/// Waits for a condition.
pub(crate) fn eventually(fact: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < TIMEOUT, "timeout: {fact}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder in `/tmp` that only the caller can enter.
pub(crate) fn private_parent() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

/// The processes whose working directory is in the folder, or whose command line has it: reaper, server, its children.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else {
        let list = Command::new("ps").args(["-A", "-o", "args="]).output();
        return String::from_utf8_lossy(&list.unwrap().stdout)
            .lines()
            .filter(|line| line.contains(folder.to_str().unwrap()))
            .map(str::to_owned)
            .collect();
    };
    processes
        .flatten()
        .filter_map(|process| {
            let command = fs::read(process.path().join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let works_in = fs::read_link(process.path().join("cwd"));
            let is_there = works_in.is_ok_and(|works_in| works_in.starts_with(folder));
            (is_there || command.contains(folder.to_str()?)).then_some(command)
        })
        .collect()
}

/// Another process that owns a server.
pub(crate) struct Owner {
    process: Child,
    /// The server's URL.
    pub(crate) url: String,
    /// The cluster's folder.
    pub(crate) folder: PathBuf,
}

impl Owner {
    /// Starts an owner, whose command the caller prepares, and waits until its server is ready.
    pub(crate) fn start(prepare: impl FnOnce(&mut Command)) -> Self {
        Self::start_program(Path::new(env!("CARGO_BIN_EXE_hold-postgres")), prepare)
    }

    /// Like `start`, with a copy of the program.
    pub(crate) fn start_program(program: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(program);
        command
            .env_remove("TEST_DATABASE_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        prepare(&mut command);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = || lines.next().expect("the owner exited early").unwrap();
        Self {
            url: line(),
            folder: line().into(),
            process,
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }

    /// Ends its standard input, and waits until it has ended.
    pub(crate) fn end(&mut self) -> ExitStatus {
        drop(self.process.stdin.take());
        self.process.wait().unwrap()
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Whether its processes and its folder are gone.
    pub(crate) fn has_left_nothing(&self) -> bool {
        processes_of(&self.folder).is_empty() && !self.folder.exists()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
