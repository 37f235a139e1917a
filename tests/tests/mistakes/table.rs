//! A mistake, the line that it gives, and the comparison of all mistakes of a kind.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use exports_tests::program;
use futures_util::{StreamExt, stream};
use tokio::process::Command;
use tokio::time::timeout;

use crate::world::{SECRET, World};

/// The number of programs that run at the same time.
const AT_A_TIME: usize = 4;
/// A program that still runs after this time has not noticed the mistake.
const LIMIT: Duration = Duration::from_secs(30);

/// One mistake.
pub(crate) struct Mistake {
    program: &'static str,
    arguments: Vec<String>,
    /// Changes to the working environment of [`World`]. `None` unsets a variable.
    changes: Vec<(String, Option<String>)>,
    is_unprivileged: bool,
    code: i32,
    line: String,
}

pub(crate) fn api() -> Mistake {
    Mistake::of("exports-api")
}

pub(crate) fn worker() -> Mistake {
    Mistake::of("exports-worker")
}

pub(crate) fn exportctl(arguments: &str) -> Mistake {
    Mistake::of("exportctl").with(arguments)
}

impl Mistake {
    fn of(program: &'static str) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            changes: Vec::new(),
            is_unprivileged: false,
            code: 1,
            line: String::new(),
        }
    }

    /// Adds arguments, separated by spaces.
    pub(crate) fn with(mut self, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned);
        self.arguments.extend(arguments);
        self
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.changes.push((name.to_owned(), Some(value.into())));
        self
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.changes.push((name.to_owned(), None));
        self
    }

    /// Runs the program without the privileges of root, if the test has them.
    pub(crate) fn unprivileged(mut self) -> Self {
        self.is_unprivileged = true;
        self
    }

    /// It is an error of usage: exit code 2.
    pub(crate) fn usage(self, line: impl Into<String>) -> Self {
        Self { code: 2, ..self }.fails(line)
    }

    /// Exit code 1. The line is without `error: `.
    pub(crate) fn fails(mut self, line: impl Into<String>) -> Self {
        self.line = line.into();
        self
    }

    fn command(&self, world: &World) -> Command {
        let program = program(self.program);
        // Root without capabilities is bound by the modes of files, and the program needs not be readable for others.
        let mut command = if self.is_unprivileged && nix::unistd::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.arg("--bounding-set=-all").arg(program);
            command
        } else {
            Command::new(program)
        };
        let mut environment: BTreeMap<_, _> = world.environment().into_iter().collect();
        for (name, value) in &self.changes {
            match value {
                Some(value) => environment.insert(name.clone(), value.clone()),
                None => environment.remove(name),
            };
        }
        command
            .args(&self.arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Where the result is not the expected one.
    fn difference(&self, output: &Output) -> Option<String> {
        let error = String::from_utf8_lossy(&output.stderr);
        let expected = format!("error: {}\n", self.line);
        let is_right = error == expected
            && output.status.code() == Some(self.code)
            && output.stdout.is_empty()
            && !error.contains(SECRET);
        (!is_right).then(|| {
            format!(
                "{} {:?} {:?}\n  expected {}: {expected}  found {:?}: {error}  output: {}",
                self.program,
                self.arguments,
                self.changes,
                self.code,
                output.status.code(),
                String::from_utf8_lossy(&output.stdout),
            )
        })
    }
}

/// Makes every mistake, and fails with all results that differ from the table.
pub(crate) async fn review(world: &World, mistakes: Vec<Mistake>) {
    assert!(mistakes.len() > 5, "the table is empty");
    for mistake in &mistakes {
        check_tone(&mistake.line);
    }
    let results = mistakes.iter().map(async |mistake| {
        let mut command = mistake.command(world);
        match timeout(LIMIT, command.output()).await {
            Ok(output) => mistake.difference(&output.expect("the program starts")),
            Err(_) => Some(format!(
                "{} runs, expected: {}",
                mistake.program, mistake.line
            )),
        }
    });
    let differences: Vec<_> = stream::iter(results)
        .buffered(AT_A_TIME)
        .filter_map(async |difference| difference)
        .collect()
        .await;
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n\n{}",
        differences.len(),
        mistakes.len(),
        differences.join("\n\n")
    );
}

/// What every line has in common: it starts with its subject, and has no text twice and no number of an operating system.
fn check_tone(line: &str) {
    let subject = line.split([' ', ':']).next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-\"".contains(c);
    let is_subject = subject.chars().all(is_name) && !subject.starts_with("the");
    assert!(is_subject && !subject.is_empty(), "no subject: {line}");
    assert!(!line.ends_with('.'), "it ends with a full stop: {line}");
    assert!(line.chars().count() <= 320, "too long: {line}");
    for wrong in [
        "os error",
        "error:",
        "Error",
        "..=",
        "Some(",
        "failed to",
        "invalid value",
    ] {
        assert!(!line.contains(wrong), "it has {wrong:?}: {line}");
    }
    let mut clauses: Vec<_> = line.split([':', ';', ',']).map(str::trim).collect();
    let count = clauses.len();
    clauses.sort_unstable();
    clauses.dedup();
    assert_eq!(clauses.len(), count, "it has a text twice: {line}");
}
