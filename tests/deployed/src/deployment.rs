//! A deployment: networks, database, store, programs, and a consumer with a key.

use std::collections::HashMap;

use exports_tests::s3::S3Server;
use exports_tests::{Client, Proxy};
use futures_util::future::join_all;
use serde_json::Value;

use crate::containers::log_of;
use crate::engine::WORKER;
use crate::garage::Garage;
use crate::network::Network;
use crate::pod::Pod;
use crate::postgres::{Postgres, Role};
use crate::program::Program;
use crate::secrets::Secrets;
use crate::store::Store;

mod exports;
mod start;

/// Bytes that a stuck worker has read: enough for the first part of an upload.
const STUCK_AFTER_BYTES: usize = 9 << 20;
/// Lines of each log that a failing test shows.
const SHOWN_LINES: usize = 60;

/// A running deployment; [`story()`](crate::story()) creates and removes it.
pub struct Deployment {
    /// The network of the database.
    pub database_network: Network,
    /// The network of the store.
    pub store_network: Network,
    /// The database.
    pub postgres: Postgres,
    /// The API.
    pub api: Program,
    /// The workers, in the order in which they were started.
    pub workers: Vec<Program>,
    pub(crate) store: Store,
    client: Client,
    secrets: Secrets,
    worker_environment: Vec<(String, String)>,
    /// The request of each export, by its id.
    requests: HashMap<String, Value>,
}

impl Deployment {
    /// Starts one more worker, waits until it is ready, and returns its number.
    pub async fn add_worker(&mut self) -> usize {
        self.add_worker_with(&[]).await
    }

    /// The same with further variables.
    pub async fn add_worker_with(&mut self, variables: &[(&str, &str)]) -> usize {
        let worker = self.start_worker(variables).await;
        worker.wait_for_log("worker started").await;
        self.workers.push(worker);
        self.workers.len() - 1
    }

    /// Starts a worker without waiting until it is ready. The test removes it.
    pub async fn start_worker(&self, variables: &[(&str, &str)]) -> Program {
        let mut environment = self.worker_environment.clone();
        for (name, value) in variables {
            environment.retain(|(known, _)| known != name);
            environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        let pod = Pod::start([&self.database_network, &self.store_network], &[]).await;
        Program::start(WORKER, pod, &environment).await
    }

    /// Starts one more worker that reads its messages through a proxy. The proxy holds them after a little more than the first part
    /// of a file.
    pub async fn add_worker_that_gets_stuck(&mut self) -> (usize, Proxy) {
        let gateway = self.database_network.gateway();
        let source = Proxy::to_at(&self.postgres.published(), gateway).await;
        source.hold_after(STUCK_AFTER_BYTES);
        let url = self.postgres.url_by(&source.address(), Role::Worker);
        let variables = [("EXPORTS_SOURCE_DATABASE_URL", url.as_str())];
        (self.add_worker_with(&variables).await, source)
    }

    /// All secrets, and the API key.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let Secrets {
            database_password,
            store_key,
            rpc,
        } = &self.secrets;
        let key = self.client.key().expect("the consumer has a key");
        [database_password, store_key, rpc, key]
            .map(ToString::to_string)
            .into()
    }

    /// The API, with the project's key.
    #[must_use]
    pub fn consumer(&self) -> &Client {
        &self.client
    }

    /// The real store.
    #[must_use]
    pub fn garage(&self) -> &Garage {
        match &self.store {
            Store::Garage(garage) => garage,
            Store::Faulty(_) => panic!("this deployment's store is not Garage"),
        }
    }

    /// The store with fault injection, if the plan has it.
    #[must_use]
    pub fn faulty_store(&self) -> &S3Server {
        match &self.store {
            Store::Garage(_) => panic!("this deployment's store is Garage"),
            Store::Faulty(server) => server,
        }
    }

    /// The logs of the programs and their dependencies, with their names.
    pub async fn logs(&self) -> Vec<(String, String)> {
        let mut logs = vec![
            ("api".to_owned(), self.api.log().await),
            (
                "postgres".to_owned(),
                log_of(self.postgres.container()).await,
            ),
        ];
        if let Store::Garage(garage) = &self.store {
            logs.push(("garage".to_owned(), log_of(garage.container()).await));
        }
        for (number, worker) in self.workers.iter().enumerate() {
            logs.push((format!("worker {number}"), worker.log().await));
        }
        logs
    }

    pub(crate) async fn print_logs(&self) {
        for (name, log) in self.logs().await {
            let lines: Vec<_> = log.lines().collect();
            let shown = lines.len().saturating_sub(SHOWN_LINES);
            println!("--- {name}:\n{}", lines[shown..].join("\n"));
        }
    }

    pub(crate) async fn remove(self) {
        let programs = self.workers.into_iter().chain([self.api]);
        tokio::join!(
            join_all(programs.map(Program::remove)),
            self.postgres.remove(),
            self.store.remove(),
        );
    }
}
