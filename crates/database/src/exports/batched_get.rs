//! Gets exports by id, in batches under load.
//!
//! The first request runs its statement at once. Requests that arrive while a statement runs form a
//! batch, which the next statement loads: the higher the load, the lower the cost per request. A slow
//! statement does not delay the next batch. The statement that answers a request always starts after
//! the request, so results are never stale.

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

/// A statement usually takes about a millisecond. After this time the next batch starts beside it.
const MAX_DELAY: Duration = Duration::from_millis(50);
const MAX_BATCH: usize = 256;

/// The result of one request. The requests of a batch share its error.
pub type LoadResult = Result<Option<Export>, Arc<Error>>;

/// Loads exports by id. Clones share one queue.
#[derive(Debug, Clone)]
pub struct BatchLoader {
    database: Database,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    requests: Vec<Request>,
    /// A [`Dispatcher`] is running and will load `requests`.
    has_dispatcher: bool,
}

#[derive(Debug)]
struct Request {
    project: ProjectId,
    id: ExportId,
    reply: oneshot::Sender<LoadResult>,
}

/// Loads batch after batch until the queue is empty. At most one runs per queue.
struct Dispatcher {
    loader: BatchLoader,
    is_done: bool,
}

impl BatchLoader {
    /// A loader with an empty queue.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let queue = Arc::default();
        Self { database, queue }
    }

    /// One export of a project.
    pub async fn get(&self, project: &ProjectId, id: ExportId) -> LoadResult {
        let (reply, result) = oneshot::channel();
        let project = project.clone();
        if let Some(dispatcher) = self.enqueue(Request { project, id, reply }) {
            // In its own task: this caller may be cancelled while others wait for the same batch.
            tokio::spawn(dispatcher.run());
        }
        match result.await {
            Ok(result) => result,
            Err(_) => Err(Arc::new(sqlx::Error::WorkerCrashed.into())),
        }
    }

    /// Returns a dispatcher for the caller to run if none is running.
    fn enqueue(&self, request: Request) -> Option<Dispatcher> {
        let mut queue = self.lock();
        queue.requests.push(request);
        if mem::replace(&mut queue.has_dispatcher, true) {
            return None;
        }
        let (loader, is_done) = (self.clone(), false);
        Some(Dispatcher { loader, is_done })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatcher {
    async fn run(mut self) {
        while let Some(batch) = self.next_batch() {
            // In its own task, so that it continues after the timeout. It sends the results itself.
            let load = tokio::spawn(load(self.loader.database.clone(), batch));
            timeout(MAX_DELAY, load).await.ok();
        }
    }

    /// Takes the next batch. If there is none, the dispatcher is done, under the same lock: the next
    /// request starts a new one.
    fn next_batch(&mut self) -> Option<Vec<Request>> {
        let mut queue = self.loader.lock();
        // Drop requests whose caller was cancelled.
        queue.requests.retain(|request| !request.reply.is_closed());
        if queue.requests.is_empty() {
            queue.has_dispatcher = false;
            self.is_done = true;
            return None;
        }
        let size = queue.requests.len().min(MAX_BATCH);
        let rest = queue.requests.split_off(size);
        Some(mem::replace(&mut queue.requests, rest))
    }
}

impl Drop for Dispatcher {
    /// After a panic, or when the runtime shuts down: fails the waiting requests.
    fn drop(&mut self) {
        if !self.is_done {
            let mut queue = self.loader.lock();
            queue.has_dispatcher = false;
            queue.requests.clear();
        }
    }
}

async fn load(database: Database, batch: Vec<Request>) {
    let ids: Vec<Uuid> = batch.iter().map(|request| request.id.0).collect();
    let rows = database.repeatable(&ids[..], |connection, ids| {
        Box::pin(find_all(connection, ids))
    });
    // A failed send means that the caller was cancelled.
    let loaded = async {
        let mut exports: Vec<_> = rows.await?.into_iter().map(converted).collect();
        let found = exports.iter_mut().filter_map(|(_, _, it)| it.as_mut().ok());
        database.add_progress(found).await?;
        Ok::<_, Error>(exports)
    };
    match loaded.await {
        Ok(exports) => reply(batch, exports),
        Err(error) => {
            let error = Arc::new(error);
            for request in batch {
                request.reply.send(Err(Arc::clone(&error))).ok();
            }
        }
    }
}

/// The id, the project and the export of a row. A row with an unknown value fails only its own requests.
type Loaded = (Uuid, String, Result<Export, Arc<Error>>);

fn converted(row: ExportRow) -> Loaded {
    let (id, project) = (row.id, row.project_id.clone());
    (id, project, Export::try_from(row).map_err(Arc::new))
}

fn reply(batch: Vec<Request>, exports: Vec<Loaded>) {
    let found: HashMap<_, _> = exports
        .into_iter()
        .map(|(id, project, export)| (id, (project, export)))
        .collect();
    for request in batch {
        let result = match found.get(&request.id.0) {
            Some((project, export)) if project == request.project.as_str() => {
                export.clone().map(Some)
            }
            // An export of another project does not exist for this one.
            Some(_) | None => Ok(None),
        };
        request.reply.send(result).ok();
    }
}
