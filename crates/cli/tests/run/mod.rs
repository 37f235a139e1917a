//! Runs `exportctl` as an operator would.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use exports_tests::{TestDatabase, program};

/// The exit code and the output of a command.
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command with only these environment variables.
pub(crate) async fn exportctl(environment: &[(&str, &str)], command: &str) -> Answer {
    let arguments: Vec<_> = command.split(' ').collect();
    exportctl_with(environment, &arguments).await
}

/// Runs a command of operators.
pub(crate) async fn admin(environment: &[(&str, &str)], command: &str) -> Answer {
    exportctl(environment, &format!("admin {command}")).await
}

/// A database with the project `proj_a`.
pub(crate) async fn database() -> TestDatabase {
    let database = TestDatabase::create().await;
    database.project("proj_a").await;
    database
}

/// Runs a command of operators as `alice`, with an audit log in JSON.
pub(crate) async fn admin_as_alice(database: &TestDatabase, command: &str) -> Answer {
    let environment = [
        ("DATABASE_URL", database.url()),
        ("EXPORTS_LOG_FORMAT", "json"),
        ("USER", "alice"),
    ];
    admin(&environment, command).await
}

/// Runs a command whose arguments contain spaces.
pub(crate) async fn exportctl_with(environment: &[(&str, &str)], arguments: &[&str]) -> Answer {
    exportctl_reading("", environment, arguments).await
}

/// The same, with this text on standard input.
pub(crate) async fn exportctl_reading(
    input: &str,
    environment: &[(&str, &str)],
    arguments: &[&str],
) -> Answer {
    let mut process = Command::new(program("exportctl"));
    process
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut child = process.spawn()?;
        // A command that reads nothing closes the pipe.
        child
            .stdin
            .take()
            .expect("it is piped")
            .write_all(input.as_bytes())
            .ok();
        child.wait_with_output()
    };
    let output: Output = tokio::task::spawn_blocking(run)
        .await
        .expect("no panic")
        .expect("exportctl starts");
    let text = |bytes| {
        String::from_utf8(bytes)
            .expect("UTF-8")
            .trim_end()
            .to_owned()
    };
    Answer {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Answer {
    /// Standard output. Fails if the command failed.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// The error line. Fails if the command succeeded or printed anything else.
    pub(crate) fn error(self) -> String {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(1), ""),
            "{}",
            self.err
        );
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err
    }
}
