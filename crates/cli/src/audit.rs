//! The audit trail of an operator's changes: one log line (`target: "audit"`) on standard error.
//!
//! It has the fields of the API's audit trail, and the user who ran the command instead of a client.

use exports_domain::{KeyId, ProjectId};
use exports_service::logging::{flush_logs, init_logging};
use exports_service::settings::LogSettings;

use exports_service::start::in_variable;

use crate::error::Result;

/// Writes the audit lines of one command.
#[derive(Debug)]
pub(crate) struct Audit {
    operator: Option<String>,
}

/// A change and what it concerns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    /// What was done, such as `key.create`.
    pub(crate) action: &'static str,
    pub(crate) project: Option<&'a str>,
    pub(crate) key: Option<KeyId>,
    /// Numbers and settings, such as `scope=read`.
    pub(crate) detail: &'a str,
}

impl<'a> Change<'a> {
    pub(crate) fn of_project(action: &'static str, project: &'a ProjectId) -> Self {
        Self {
            action,
            project: Some(project.as_str()),
            key: None,
            detail: "",
        }
    }
}

impl Audit {
    /// Opens the log.
    pub(crate) fn open(settings: &LogSettings) -> Result<Self> {
        init_logging(settings.log_format).map_err(in_variable("RUST_LOG"))?;
        Ok(Self {
            operator: ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(user),
        })
    }

    /// Records a change that is done.
    pub(crate) fn done(&self, change: Change<'_>) {
        tracing::info!(
            target: "audit",
            action = change.action,
            outcome = "done",
            project.id = change.project,
            key.id = change.key.map(tracing::field::display),
            detail = Some(change.detail).filter(|detail| !detail.is_empty()),
            operator = self.operator,
            "audit"
        );
        flush_logs();
    }
}

/// A user's name from the environment, if it is one.
fn user(variable: &str) -> Option<String> {
    let name = std::env::var(variable).ok()?;
    let is_name =
        (1..=64).contains(&name.len()) && name.chars().all(|char| char.is_ascii_graphic());
    is_name.then_some(name)
}
