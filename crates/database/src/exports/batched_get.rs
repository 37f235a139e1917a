//! Exports looked up by their ids: many with one statement while the database is busy.
//!
//! A look-up that finds no statement under way is sent at once. Those that come meanwhile wait
//! together and are the next statement's: the busier the database is, the less each of them asks of
//! it. A statement that does not come back soon is not waited for: the next one goes beside it. No
//! answer is older than its question.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exports_domain::{Export, ExportId, ProjectId};
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::exports::read::find_all;
use crate::row::ExportRow;

/// A statement takes a millisecond or so. One that takes longer than this has met with something,
/// and may not hold up others.
const SOON: Duration = Duration::from_millis(50);
/// The most look-ups that one statement answers.
const MOST: usize = 256;

/// What comes of a look-up. Several may have failed for the same reason.
pub type LoadResult = Result<Option<Export>, Arc<Error>>;

/// Looks exports up. Clones wait in the same queue.
#[derive(Debug, Clone)]
pub struct BatchLoader {
    database: Database,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Lookup>,
    /// A statement is under way that answers soon, and then turns to those who wait.
    is_served: bool,
}

#[derive(Debug)]
struct Lookup {
    project: ProjectId,
    id: ExportId,
    answer: oneshot::Sender<LoadResult>,
}

/// The duty to serve the queue: to send one statement after the other until nobody waits.
struct Duty {
    lookups: BatchLoader,
    ended: bool,
}

impl BatchLoader {
    /// Looks up in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let queue = Arc::default();
        Self { database, queue }
    }

    /// One export of a project.
    pub async fn get(&self, project: &ProjectId, id: ExportId) -> LoadResult {
        let (answer, answered) = oneshot::channel();
        let project = project.clone();
        let duty = self.wait_in_line(Lookup {
            project,
            id,
            answer,
        });
        if let Some(duty) = duty {
            // A task of its own: whoever asked may go away, and others wait for the same statement.
            tokio::spawn(duty.serve());
        }
        match answered.await {
            Ok(result) => result,
            Err(_) => Err(Arc::new(sqlx::Error::WorkerCrashed.into())),
        }
    }

    fn wait_in_line(&self, lookup: Lookup) -> Option<Duty> {
        let mut queue = self.lock();
        queue.waiting.push(lookup);
        if mem::replace(&mut queue.is_served, true) {
            return None;
        }
        let (lookups, ended) = (self.clone(), false);
        Some(Duty { lookups, ended })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Duty {
    async fn serve(mut self) {
        while let Some(lookups) = self.next() {
            let database = self.lookups.database.clone();
            // A task of its own again, which goes on when it is no longer waited for.
            let asking = tokio::spawn(async move {
                let ids: Vec<Uuid> = lookups.iter().map(|lookup| lookup.id.0).collect();
                let found = database.repeatable(&ids[..], |connection, ids| {
                    Box::pin(find_all(connection, ids))
                });
                match found.await {
                    Ok(rows) => answer(lookups, rows),
                    Err(error) => refuse(lookups, &Arc::new(error)),
                }
            });
            // Its result has gone to those who wait for it.
            timeout(SOON, asking).await.ok();
        }
    }

    /// Those who wait now. If nobody does, the duty ends in the same moment: whoever comes next
    /// begins anew.
    fn next(&mut self) -> Option<Vec<Lookup>> {
        let mut queue = self.lookups.lock();
        // Whoever has gone away is not asked for.
        queue.waiting.retain(|lookup| !lookup.answer.is_closed());
        if queue.waiting.is_empty() {
            queue.is_served = false;
            self.ended = true;
            return None;
        }
        let rest = queue.waiting.len().min(MOST);
        let rest = queue.waiting.split_off(rest);
        Some(mem::replace(&mut queue.waiting, rest))
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // A panic, or the end of the process. Those who wait learn of it; nobody else may come who
        // would ask for them.
        let mut queue = self.lookups.lock();
        queue.is_served = false;
        queue.waiting.clear();
    }
}

fn answer(lookups: Vec<Lookup>, rows: Vec<ExportRow>) {
    // A row that this version does not know spoils no other.
    let found: HashMap<_, _> = rows
        .into_iter()
        .map(|row| {
            let (id, project) = (row.id, row.project_id.clone());
            (id, (project, Export::try_from(row).map_err(Arc::new)))
        })
        .collect();
    for lookup in lookups {
        let result = match found.get(&lookup.id.0) {
            Some((project, export)) if project == lookup.project.as_str() => {
                export.clone().map(Some)
            }
            // Another project's is as good as none, whatever its row holds.
            Some(_) | None => Ok(None),
        };
        // Who does not wait any more does not mind.
        lookup.answer.send(result).ok();
    }
}

fn refuse(lookups: Vec<Lookup>, error: &Arc<Error>) {
    for lookup in lookups {
        lookup.answer.send(Err(Arc::clone(error))).ok();
    }
}
