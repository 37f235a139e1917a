//! Where the stories happen: a database and a store of their own, and workers on demand.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, resume_unwind};

use exports_database::{Created, Database, NewExport};
use exports_domain::{
    Direction, Export, ExportFile, ExportId, ExportState, Failure, MessageFilter, ProjectId,
    TimeRange, time,
};
use exports_tests::s3::S3Server;
use exports_tests::{
    Message, Process, Proxy, RunningStore, StoreKind, TIMEOUT, TestDatabase, eventually,
};
use futures_util::FutureExt;
use url::Url;

mod files;

/// The project of every story; each has a database of its own.
pub(crate) const PROJECT: &str = "proj_abc123";

/// A database, a store, and what is needed to start workers on them.
pub(crate) struct Workshop {
    pub(crate) database: TestDatabase,
    pub(crate) project: ProjectId,
    storage: Database,
    store: RunningStore,
    environment: Vec<(String, String)>,
    secrets: Vec<String>,
}

/// A worker's process. It is killed when dropped; nothing secret may be in its log then.
pub(crate) struct Worker {
    process: Process,
    secrets: Vec<String>,
}

/// Tells a story of every store, of all at the same time.
pub(crate) async fn on_every_store(story: impl AsyncFn(&Workshop)) {
    on_each(StoreKind::all(), story).await;
}

/// Tells a story of every store that is an S3 server: of what only requests can meet.
pub(crate) async fn on_every_bucket(story: impl AsyncFn(&Workshop)) {
    on_each(StoreKind::buckets(), story).await;
}

async fn on_each(kinds: &[StoreKind], story: impl AsyncFn(&Workshop)) {
    let shops = kinds.iter().copied().map(Workshop::open);
    let shops = futures_util::future::join_all(shops).await;
    let told = shops
        .iter()
        .map(|shop| AssertUnwindSafe(story(shop)).catch_unwind());
    let ended = futures_util::future::join_all(told).await;
    for (kind, ended) in kinds.iter().zip(ended) {
        if let Err(panic) = ended {
            eprintln!("the story was told of the store {kind:?}");
            resume_unwind(panic);
        }
    }
}

/// Every message of a direction, whenever it was.
pub(crate) fn everything(direction: Direction) -> MessageFilter {
    MessageFilter {
        range: range("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        direction,
        status: None,
        endpoint: None,
    }
}

pub(crate) fn range(start: &str, end: &str) -> TimeRange {
    let at = |text| time::parse(text).expect("a time");
    TimeRange::new(at(start), at(end)).expect("the end is after the start")
}

impl Workshop {
    pub(crate) async fn open(kind: StoreKind) -> Self {
        Self::with(kind, TestDatabase::create().await).await
    }

    /// In a migrated database that the story has arranged before.
    pub(crate) async fn with(kind: StoreKind, database: TestDatabase) -> Self {
        let project = database.project(PROJECT).await;
        let store = RunningStore::start(kind);
        let mut environment = store.environment();
        let mut set = |name: &str, value: &str| {
            environment.push((name.to_owned(), value.to_owned()));
        };
        set("DATABASE_URL", database.url());
        set("EXPORTS_LOG_FORMAT", "json");
        let url: Url = database.url().parse().expect("a URL");
        let mut secrets: Vec<_> = url.password().map(str::to_owned).into_iter().collect();
        secrets.extend(store.s3().map(|server| server.secret_key().to_owned()));
        Self {
            storage: database.storage(),
            database,
            project,
            store,
            environment,
            secrets,
        }
    }

    /// Starts a worker, with further variables.
    pub(crate) fn worker(&self, variables: &[(&str, &str)]) -> Worker {
        Worker {
            process: Process::start("exports-worker", &[], self.environment(variables)),
            secrets: self.secrets.clone(),
        }
    }

    /// Starts a worker that reads its messages through a proxy, and waits until it has begun.
    pub(crate) async fn worker_behind_a_proxy(
        &self,
        variables: &[(&str, &str)],
    ) -> (Worker, Proxy) {
        let source = Proxy::to_postgres(self.database.url()).await;
        let worker = self.worker_behind(&source, variables).await;
        (worker, source)
    }

    /// The same; the proxy holds its messages when it has read a little more than fills the first
    /// part of an upload.
    pub(crate) async fn worker_that_gets_stuck(
        &self,
        variables: &[(&str, &str)],
    ) -> (Worker, Proxy) {
        let source = Proxy::to_postgres(self.database.url()).await;
        source.hold_after(9 << 20);
        let worker = self.worker_behind(&source, variables).await;
        (worker, source)
    }

    async fn worker_behind(&self, source: &Proxy, variables: &[(&str, &str)]) -> Worker {
        let url = source.url(self.database.url());
        let variables = [variables, &[("EXPORTS_SOURCE_DATABASE_URL", &url)]].concat();
        let mut worker = self.worker(&variables);
        worker.wait_for_event("worker started").await;
        worker
    }

    /// Starts a few workers whose janitors come more often than one alone, and waits until all
    /// have begun.
    pub(crate) async fn janitors(&self, variables: &[(&str, &str)]) -> [Worker; 3] {
        let mut workers = [(); 3].map(|()| self.worker(variables));
        for worker in &mut workers {
            worker.wait_for_event("worker started").await;
        }
        workers
    }

    /// What a program is started with.
    pub(crate) fn environment(&self, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut environment = self.environment.clone();
        for (name, value) in variables {
            environment.retain(|(known, _)| known != name);
            environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        environment
    }

    pub(crate) fn s3(&self) -> &S3Server {
        self.store.s3().expect("this story's store is S3")
    }

    /// The folder of a file store.
    pub(crate) fn folder(&self) -> Option<&std::path::Path> {
        match &self.store {
            RunningStore::File(folder) => Some(folder.path()),
            RunningStore::S3(_) => None,
        }
    }

    pub(crate) async fn put(&self, messages: &[Message]) {
        Message::insert(self.database.pool(), messages).await;
    }

    /// Puts one outbound message, for stories that are not about rows.
    pub(crate) async fn put_one(&self) {
        self.put(&[Message::outbound(&self.project)]).await;
    }

    /// Asks for an export.
    pub(crate) async fn ask(&self, filter: MessageFilter) -> ExportId {
        let new = NewExport {
            id: ExportId::generate(),
            project: self.project.clone(),
            filter,
            idempotency_key: None,
        };
        let created = self.storage.create_export(&new).await;
        assert!(matches!(created, Ok(Created::New(_))), "{created:?}");
        new.id
    }

    /// Asks for an export of all outbound messages.
    pub(crate) async fn ask_for_all(&self) -> ExportId {
        self.ask(everything(Direction::Outbound)).await
    }

    /// The export as consumers see it.
    pub(crate) async fn export(&self, id: ExportId) -> Export {
        let found = self.storage.get_export(&self.project, id).await;
        found.expect("a look at exports").expect("the export")
    }

    /// Waits until the export is completed. Panics at once if it fails.
    pub(crate) async fn completed(&self, id: ExportId) -> ExportFile {
        eventually("the export is completed", TIMEOUT, async || {
            match self.export(id).await.state {
                ExportState::Completed(file) => Some(file),
                ExportState::Pending | ExportState::Processing { .. } => None,
                state @ (ExportState::Failed { .. } | ExportState::Expired(_)) => {
                    panic!("completion is out of reach: {state:?}")
                }
            }
        })
        .await
    }

    /// Waits until the export has failed. Panics at once if it is completed.
    pub(crate) async fn failed(&self, id: ExportId) -> Failure {
        eventually("the export has failed", TIMEOUT, async || {
            match self.export(id).await.state {
                ExportState::Failed { failure, .. } => Some(failure),
                ExportState::Pending | ExportState::Processing { .. } => None,
                state @ (ExportState::Completed(_) | ExportState::Expired(_)) => {
                    panic!("failure is out of reach: {state:?}")
                }
            }
        })
        .await
    }

    /// Waits until a column of the export's row has this value.
    pub(crate) async fn column_is(
        &self,
        id: ExportId,
        column: &str,
        value: impl Into<serde_json::Value>,
    ) {
        let value = value.into();
        eventually(&format!("{column} is {value}"), TIMEOUT, async || {
            (self.database.export_column(id.0, column).await == value).then_some(())
        })
        .await;
    }

    /// The export's whole row.
    pub(crate) async fn row(&self, id: ExportId) -> String {
        let row = self.database.export_row(id.0).await;
        row.expect("the export's row")
    }
}

impl Deref for Worker {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Worker {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let log = self.process.log();
        for secret in &self.secrets {
            assert!(!log.contains(secret), "a secret is in the log:\n{log}");
        }
    }
}
