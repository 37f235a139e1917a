//! Announces that exports have changed, so that those who wait for them read them again.
//!
//! `NOTIFY` makes commits wait for each other, so it is not in the statements of creates, claims and completions.
//! Each process announces the exports that it has changed after their commit: a background task puts what has
//! come together within a few milliseconds into one statement. An announcement may be lost; whoever listens
//! reads everything again every few seconds.

use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exports_domain::{ExportId, ProjectId, error_line};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::database::Database;
use crate::error::Error;

/// The channel.
pub(super) const CHANNEL: &str = "exports_changed";
/// At least this long between two statements of a process.
const INTERVAL: Duration = Duration::from_millis(5);
/// The server accepts fewer than 8000 bytes.
const MAX_PAYLOAD: usize = 7900;
/// If the database does not answer, more announcements than this are dropped.
const MAX_WAITING: usize = 20_000;

/// An export that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// Its project, if it is known.
    pub project: Option<ProjectId>,
    /// Its id.
    pub export: ExportId,
}

/// Announces changes. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Changes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: HashSet<Change>,
    has_announcer: bool,
}

impl Changes {
    /// An announcer for the changes that this process makes. It starts a task when there is something to announce.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self(Arc::new(Shared {
            database,
            waiting: Mutex::default(),
            wake: Notify::new(),
        }))
    }

    /// Announces that an export of a project has changed. Call it after the commit. Does not wait.
    pub fn announce(&self, project: &ProjectId, export: ExportId) {
        self.add(Change {
            project: Some(project.clone()),
            export,
        });
    }

    /// Like [`Self::announce`], if the project is not known.
    pub fn announce_id(&self, export: ExportId) {
        self.add(Change {
            project: None,
            export,
        });
    }

    /// Waits, for at most a second, until everything is announced. For the end of a process.
    pub async fn flush(&self) {
        let flushed = async {
            while self.0.lock().has_announcer {
                tokio::time::sleep(INTERVAL).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), flushed)
            .await
            .ok();
    }

    fn add(&self, change: Change) {
        let mut waiting = self.0.lock();
        if waiting.changes.len() < MAX_WAITING {
            waiting.changes.insert(change);
        }
        if mem::replace(&mut waiting.has_announcer, true) {
            self.0.wake.notify_one();
        } else {
            tokio::spawn(Arc::clone(&self.0).run());
        }
    }
}

impl Shared {
    /// Announces until nothing has changed for a while.
    async fn run(self: Arc<Self>) {
        const LINGER: Duration = Duration::from_millis(50);
        loop {
            let changes = mem::take(&mut self.lock().changes);
            let next = Instant::now() + INTERVAL;
            if changes.is_empty() {
                // Stay for a moment: the next change is announced after the interval, not at once.
                let woken = tokio::time::timeout(LINGER, self.wake.notified()).await;
                let mut waiting = self.lock();
                if woken.is_err() && waiting.changes.is_empty() {
                    waiting.has_announcer = false;
                    return;
                }
                continue;
            }
            if let Err(error) = self.database.notify_changes(&payloads(&changes)).await {
                tracing::debug!(error = error_line(&error), "changes could not be announced");
            }
            sleep_until(next).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database {
    async fn notify_changes(&self, payloads: &[String]) -> Result<(), Error> {
        sqlx::query!(
            r#"
            -- The lock of NOTIFY lasts until the commit, so this commit does not wait for the disk: a crash
            -- of the server loses only the announcement. The settings function is evaluated first.
            SELECT set_config('synchronous_commit', 'off', true) AS setting, pg_notify($2, payload)::text AS notified
            FROM unnest($1::text[]) payload
            "#,
            payloads,
            CHANNEL,
        )
        .fetch_all(&mut self.connection().await?)
        .await?;
        Ok(())
    }
}

/// The payloads: one line `<project> <export>` for each change, `-` for an unknown project.
fn payloads(changes: &HashSet<Change>) -> Vec<String> {
    let mut payloads = vec![String::new()];
    for Change { project, export } in changes {
        let project = project.as_ref().map_or("-", ProjectId::as_str);
        let line = format!("{project} {export}\n");
        match payloads.last_mut() {
            Some(last) if last.len() + line.len() <= MAX_PAYLOAD => last.push_str(&line),
            _ => payloads.push(line),
        }
    }
    payloads
}

/// The changes of a payload. Lines that this version does not understand are left out.
pub(super) fn parse(payload: &str) -> Vec<Change> {
    let change = |line: &str| {
        let (project, export) = line.split_once(' ')?;
        Some(Change {
            project: match project {
                "-" => None,
                project => Some(project.parse().ok()?),
            },
            export: export.parse().ok()?,
        })
    };
    payload.lines().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_fit_into_payloads_and_come_back() {
        let project: ProjectId = format!("proj_{}", "a".repeat(64)).parse().unwrap();
        let changes: HashSet<_> = (0..200)
            .map(|number| Change {
                project: (number % 2 == 0).then(|| project.clone()),
                export: ExportId::generate(),
            })
            .collect();
        let payloads = payloads(&changes);
        assert!(payloads.len() > 1);
        assert!(payloads.iter().all(|payload| payload.len() < 8000));
        let back: HashSet<_> = payloads.iter().flat_map(|payload| parse(payload)).collect();
        assert_eq!(back, changes);
        assert_eq!(parse("x y\n\nproj_a\n"), []);
    }
}
