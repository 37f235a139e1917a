//! The whole service, as an operator runs it: a database, a store, an API process and workers.

use std::path::PathBuf;
use std::time::Duration;

use exports_database::Database;
use exports_domain::ProjectId;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::database::TestDatabase;
use crate::eventually::{TIMEOUT, eventually};
use crate::http::{Client, Reply, http_client};
use crate::messages::{Endpoint, Message};
use crate::process::Process;
use crate::proxy::Proxy;
use crate::s3::S3Server;

mod builder;
mod store;

pub use builder::StackBuilder;
pub use store::{RunningStore, StoreKind};

/// Between two looks at an export.
const POLL: Duration = Duration::from_millis(50);

/// A running service. Dropping it ends its processes and removes its database and store.
pub struct Stack {
    // In this order they are dropped: first the programs, then what they use.
    workers: Vec<Process>,
    api: Process,
    database_proxy: Option<Proxy>,
    store: RunningStore,
    database: TestDatabase,
    storage: Database,
    client: Client,
    project: ProjectId,
    key: String,
    worker_environment: Vec<(String, String)>,
}

impl Stack {
    /// One worker, the file store, all settings at their defaults, unless the builder is told
    /// otherwise.
    #[must_use]
    pub fn builder() -> StackBuilder {
        StackBuilder::default()
    }

    /// The API, as the consumer who owns [`project`](Self::project).
    #[must_use]
    pub fn api(&self) -> &Client {
        &self.client
    }

    /// The project that was made for the test.
    #[must_use]
    pub fn project(&self) -> &str {
        self.project.as_str()
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Makes another project with a key, and gives the API as its owner sees it.
    pub async fn another_consumer(&self, project: &str) -> Client {
        let project = project.parse().expect("a project id");
        let key = builder::project_with_key(&self.storage, &project).await;
        self.client.with_key(&key)
    }

    /// The database, for looking at and arranging rows.
    #[must_use]
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The code of storage on that database.
    #[must_use]
    pub fn storage(&self) -> &Database {
        &self.storage
    }

    /// The proxy between the programs and the database, if the builder was asked for one.
    #[must_use]
    pub fn database_proxy(&self) -> &Proxy {
        let proxy = self.database_proxy.as_ref();
        proxy.expect("this stack was built without a database proxy")
    }

    /// The S3 server, if the store is one.
    #[must_use]
    pub fn s3(&self) -> &S3Server {
        self.store.s3().expect("this stack's store is not S3")
    }

    /// The API's process.
    #[must_use]
    pub fn api_process(&mut self) -> &mut Process {
        &mut self.api
    }

    /// A worker's process, by its number from 0.
    #[must_use]
    pub fn worker(&mut self, number: usize) -> &mut Process {
        &mut self.workers[number]
    }

    /// Starts one more worker, with further variables, and gives its number.
    pub fn add_worker(&mut self, variables: &[(&str, &str)]) -> usize {
        let mut environment = self.worker_environment.clone();
        builder::set_all(&mut environment, variables);
        self.workers
            .push(Process::start("exports-worker", &[], environment));
        self.workers.len() - 1
    }

    /// Puts messages into the source.
    pub async fn insert_messages(&self, messages: &[Message]) {
        Message::insert(self.database.pool(), messages).await;
    }

    /// Puts endpoints into the source.
    pub async fn insert_endpoints(&self, endpoints: &[Endpoint]) {
        Endpoint::insert(self.database.pool(), endpoints).await;
    }

    /// Asks for an export and gives it, as the API shows it.
    pub async fn create_export(&self, request: Value) -> Value {
        let reply = self.client.post("/v1/exports", &request).await;
        reply.expect(201).data()
    }

    /// An export, as the API shows it.
    pub async fn get_export(&self, id: &str) -> Value {
        let reply = self.client.get(&format!("/v1/exports/{id}")).await;
        reply.expect(200).data()
    }

    /// Polls the API until the export has this status, and gives it. Panics at once if it gets
    /// into a state which it never leaves for that one.
    pub async fn wait_until(&self, id: &str, status: &str) -> Value {
        self.wait_until_within(id, status, TIMEOUT).await
    }

    /// The same with a deadline of the test's own.
    pub async fn wait_until_within(&self, id: &str, status: &str, limit: Duration) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let export = self.get_export(id).await;
            let now = export["status"].as_str().expect("an export has a status");
            if now == status {
                return export;
            }
            let is_final =
                matches!(now, "failed" | "expired") || (now == "completed" && status != "expired");
            assert!(!is_final, "{status} is out of reach: {export:#}");
            assert!(
                begun.elapsed() < limit,
                "not {status} within {limit:?}: {export:#}"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks for the download's link: where the 302 leads.
    pub async fn link(&self, id: &str) -> Url {
        let path = format!("/v1/exports/{id}/download");
        let reply = self.client.get(&path).await.expect(302);
        let location = reply.header("location").expect("a redirect says where to");
        location.parse().expect("an absolute URL")
    }

    /// Downloads the file: asks for the link, then follows it without the key.
    pub async fn download(&self, id: &str) -> Reply {
        fetch(&self.link(id).await).await.expect(200)
    }

    /// Everything that lies in the store, sorted: keys of files or objects, and what unfinished
    /// uploads have left.
    #[must_use]
    pub fn store_listing(&self) -> Vec<String> {
        self.store.listing()
    }

    /// Waits until exactly these lie in the store.
    pub async fn wait_for_store(&self, expected: &[String]) {
        let fact = format!("the store holds {expected:?} and nothing else");
        eventually(&fact, TIMEOUT, async || {
            (self.store_listing() == expected).then_some(())
        })
        .await;
    }

    /// The key of an export's file in the store.
    pub async fn object_key(&self, id: &str) -> String {
        let id = id.parse().expect("an export's id is a UUID");
        let key = self.database.export_column(id, "object_key").await;
        key.as_str()
            .expect("a completed export has a file")
            .to_owned()
    }

    /// Where a key of the file store lies.
    #[must_use]
    pub fn file_path(&self, key: &str) -> PathBuf {
        match &self.store {
            RunningStore::File(folder) => folder.path().join(key),
            RunningStore::S3(_) => panic!("this stack's store is not a folder"),
        }
    }

    /// Everything that the API has logged.
    #[must_use]
    pub fn api_log(&self) -> String {
        self.api.log()
    }

    /// Everything that the programs have logged.
    #[must_use]
    pub fn logs(&self) -> String {
        let workers = self.workers.iter().map(Process::log);
        std::iter::once(self.api.log()).chain(workers).collect()
    }
}

/// GET of a whole URL, without a key.
async fn fetch(url: &Url) -> Reply {
    let answer = http_client().request(Method::GET, url.clone()).send().await;
    let answer = answer.unwrap_or_else(|error| panic!("no answer: {error:?}"));
    Reply {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.bytes().await.expect("the whole body"),
    }
}
