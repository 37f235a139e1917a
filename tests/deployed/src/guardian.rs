//! Removes what this process has left in the engine, however it ended.
//!
//! A story removes its own parts. What it cannot, because the process was interrupted or killed,
//! the guardian does: a shell whose standard input is a pipe that only this process holds, so that
//! it reads the end of file when the process is gone.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use uuid::Uuid;

const SCRIPT: &str = include_str!("guardian.sh");

/// The label's key; its value is the run.
pub(crate) const LABEL: &str = "exports.test-run";

/// This process, among those that use the engine.
pub(crate) struct Run {
    id: String,
    /// Held until the process ends: a static is never dropped.
    _guardian: Child,
}

static RUN: LazyLock<Run> = LazyLock::new(Run::begin);

/// The label's value for everything that this process starts. The guardian is there from then on.
pub(crate) fn run() -> &'static str {
    &RUN.id
}

impl Run {
    fn begin() -> Self {
        let id = Uuid::new_v4().simple().to_string()[..8].to_owned();
        let guardian = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "guardian"])
            .arg(format!("{LABEL}={id}"))
            // Of a group of its own, so that Ctrl-C does not reach it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            id,
            _guardian: guardian.expect("/bin/sh"),
        }
    }
}
