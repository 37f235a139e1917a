//! Runs the steps of a story in one bash, so that variables, folders and processes stay from one page to the next.

use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use exports_tests::{not_run, program};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::expected;
use crate::page::repository;
use crate::script::{Output, Step};

/// For all steps of a story, on a busy machine.
const LIMIT: Duration = Duration::from_mins(5);

/// Whether this machine has the programs that the pages use, besides ours. Says what is missing; with `CI=true` that is a failure.
pub(crate) fn has(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_installed = |name: &str| std::env::split_paths(&path).any(|it| it.join(name).is_file());
    let missing: Vec<_> = programs
        .iter()
        .copied()
        .filter(|name| !is_installed(name))
        .collect();
    if missing.is_empty() {
        return true;
    }
    let missing = format!("{} is not installed", missing.join(", "));
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
    not_run(&missing);
    false
}

/// A folder and an environment for the steps.
pub(crate) struct Session {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Session {
    pub(crate) fn new() -> Self {
        // PostgreSQL of `make dev` runs as another user.
        let folder = tempfile::Builder::new()
            .prefix("book")
            .tempdir_in("/tmp")
            .expect("a folder");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(folder.path(), mode).expect("its mode");
        symlink(repository().join("deploy"), folder.path().join("deploy")).expect("a link");
        let programs = program("exportctl");
        let programs = programs.parent().expect("a folder").display().to_string();
        let tools = folder.path().join("tools");
        std::fs::create_dir(&tools).expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let home = folder.path().display().to_string();
        let environment = [
            ("PATH", format!("{}:{programs}:{path}", tools.display())),
            ("TMPDIR", home.clone()),
            ("HOME", home),
            ("LANG", "C.UTF-8".to_owned()),
            ("no_proxy", "127.0.0.1".to_owned()),
        ];
        Self {
            folder,
            environment: environment
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        }
    }

    /// A variable of every step.
    pub(crate) fn env(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// A program that stands for one of the reader's.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        let path = self.folder.path().join("tools").join(name);
        std::fs::write(&path, format!("#!/bin/bash\n{script}\n")).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("its mode");
    }

    /// Runs the steps, and panics at the first one that fails or prints something else.
    pub(crate) async fn run(&self, steps: &[Step]) {
        let answers = self.folder.path().join("answers");
        std::fs::create_dir(&answers).expect("a folder");
        let script = self.folder.path().join("script");
        std::fs::write(&script, self.script(steps)).expect("a file");
        let ended = self.execute(&script).await;
        for (number, step) in steps.iter().enumerate() {
            let read = |kind: &str| {
                let path = answers.join(format!("{number}.{kind}"));
                std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            };
            let Step {
                place,
                shell,
                output,
            } = step;
            let (out, err) = (
                read("out").unwrap_or_default(),
                read("err").unwrap_or_default(),
            );
            let Ok(code) = read("code") else {
                panic!("{place}: {ended} in\n{shell}\n{out}{err}{}", self.logs());
            };
            let code = code.trim();
            assert!(
                code == "0",
                "{place}: exit code {code} of\n{shell}\n{out}{err}{}",
                self.logs()
            );
            let (fits, shown) = match output {
                Output::Any | Output::NotRun => (true, ""),
                Output::Is(shown) => (expected::is_shown(&out, shown), shown.as_str()),
                Output::Contains(shown) => (expected::contains(&out, shown), shown.as_str()),
            };
            assert!(
                fits,
                "{place}: the page shows\n{shown}\nbut\n{shell}\nprints\n{out}\nand on standard error\n{err}"
            );
        }
    }

    /// Each step has files for its output, its errors and its exit code. The script ends after a step that fails.
    fn script(&self, steps: &[Step]) -> String {
        let answers = self.folder.path().join("answers");
        let answers = answers.display();
        let mut script = String::new();
        for (number, step) in steps.iter().enumerate() {
            write!(
                script,
                "{{\n{shell}\n}} >{answers}/{number}.out 2>{answers}/{number}.err\n\
                 book_code=$?; echo $book_code >{answers}/{number}.code; [ $book_code = 0 ] || exit 1\n",
                shell = step.shell
            )
            .expect("a string grows");
        }
        script
    }

    /// Returns how the script ended.
    async fn execute(&self, script: &Path) -> String {
        let mut bash = tokio::process::Command::new("bash");
        bash.arg(script)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .process_group(0);
        let mut bash = bash.spawn().expect("bash starts");
        let group = bash.id().expect("it runs").cast_signed();
        let ended = match tokio::time::timeout(LIMIT, bash.wait()).await {
            Ok(status) => format!("bash ended: {}", status.expect("it can be waited for")),
            Err(_) => format!("bash did not end within {LIMIT:?}"),
        };
        end(Pid::from_raw(group)).await;
        ended
    }

    /// The logs of the services that the steps started.
    fn logs(&self) -> String {
        let logs = ["api.log", "worker.log"].map(|name| self.folder.path().join(name));
        let read = |path: &PathBuf| std::fs::read_to_string(path).ok();
        logs.iter().filter_map(read).collect()
    }
}

/// Ends what the steps started in the background.
async fn end(group: Pid) {
    let start = Instant::now();
    let mut signal = Signal::SIGTERM;
    while killpg(group, signal).is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // The signal is repeated: a second SIGTERM ends a grace period.
        if start.elapsed() > Duration::from_secs(20) {
            signal = Signal::SIGKILL;
        }
    }
}
