//! Removes this process's containers and networks, however it ends.
//!
//! A test removes its own parts. The reaper removes what is left after an interruption.

use std::sync::LazyLock;

use exports_sandbox::Reaper;
use uuid::Uuid;

/// The label's key; its value is the run.
pub(crate) const LABEL: &str = "exports.test-run";

/// This process, among those that use the Docker engine.
struct Run {
    id: String,
    /// Never dropped, because it is in a static: the reaper works when the process ends.
    _reaper: Reaper,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let id = Uuid::new_v4().simple().to_string()[..8].to_owned();
    let reaper = Reaper::of_docker_label(&format!("{LABEL}={id}"));
    Run {
        id,
        _reaper: reaper.expect("/bin/sh"),
    }
});

/// The label's value for everything that this process starts.
pub(crate) fn run() -> &'static str {
    &RUN.id
}
