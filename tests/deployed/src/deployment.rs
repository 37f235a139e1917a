//! Everything together: networks, database, store, the programs, and a consumer with a key.

use std::collections::HashMap;

use exports_tests::s3::S3Server;
use exports_tests::{Client, Endpoint, Message, PATIENCE, Proxy, Reply, eventually};
use futures_util::future::join_all;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::containers::{free_port, log_of, unique_name};
use crate::engine::{API, WORKER};
use crate::garage::Garage;
use crate::messages::PROJECT;
use crate::network::Network;
use crate::plan::Plan;
use crate::pod::Pod;
use crate::postgres::{Postgres, Role};
use crate::program::{Program, exportctl};
use crate::{consumer, expected, messages, tidiness};

const MIGRATE: [&str; 5] = [
    "migrate",
    "--api-role",
    "exports_api",
    "--worker-role",
    "exports_worker",
];
/// What a stuck worker has read of its messages: enough for the first part of an upload.
const STUCK_AFTER_BYTES: usize = 9 << 20;
/// How much of each log a failing story shows.
const SHOWN_LINES: usize = 60;

/// A running deployment; [`story()`](crate::story()) makes and removes it.
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
    /// What each export was asked for, by its id.
    requests: HashMap<String, Value>,
}

/// The store of a deployment.
pub(crate) enum Store {
    Garage(Box<Garage>),
    Faulty(S3Server),
}

/// What nobody may read anywhere.
struct Secrets {
    database_password: String,
    store_key: String,
    rpc: String,
}

impl Secrets {
    fn random() -> Self {
        let random = || Uuid::new_v4().simple().to_string();
        Self {
            database_password: format!("database-password-{}", random()),
            store_key: format!("store-key-{}", random()),
            rpc: random() + &random(),
        }
    }
}

impl Deployment {
    pub(crate) async fn start(plan: Plan) -> Self {
        let secrets = Secrets::random();
        let (database_network, store_network) = tokio::join!(
            Network::create(unique_name("database")),
            Network::create(unique_name("store")),
        );
        let (postgres, store) = tokio::join!(
            Postgres::start(&database_network, &secrets.database_password),
            Store::start(&plan, &store_network, &secrets),
        );
        let url = postgres.url(Role::Owner);
        exportctl(&database_network, &url, &MIGRATE).await;
        exportctl(&database_network, &url, &["project", "create", PROJECT]).await;
        let create_key = ["key", "create", "--project", PROJECT];
        let key = exportctl(&database_network, &url, &create_key).await;

        let environment = |role| {
            let mut environment = store.environment();
            environment.push(("DATABASE_URL".to_owned(), postgres.url(role)));
            environment.push(("EXPORTS_LOG_FORMAT".to_owned(), "json".to_owned()));
            environment
        };
        let networks = [&database_network, &store_network];
        let (api, client) = start_api(networks, &store, environment(Role::Api)).await;
        let mut worker_environment = environment(Role::Worker);
        worker_environment.extend(plan.worker_environment);
        let mut this = Self {
            api,
            workers: Vec::new(),
            client: client.with_key(key.trim()),
            worker_environment,
            requests: HashMap::new(),
            database_network,
            store_network,
            postgres,
            store,
            secrets,
        };
        for _ in 0..plan.workers {
            this.add_worker().await;
        }
        this.api_is_ready().await;
        this
    }

    /// Starts one more worker, waits until it works, and gives its number.
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

    /// Starts a worker that may never come to work; it is the story's to remove.
    pub async fn start_worker(&self, variables: &[(&str, &str)]) -> Program {
        let mut environment = self.worker_environment.clone();
        for (name, value) in variables {
            environment.retain(|(known, _)| known != name);
            environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        let pod = Pod::start([&self.database_network, &self.store_network], &[]).await;
        Program::start(WORKER, pod, &environment).await
    }

    /// Starts one more worker whose messages come through a proxy, which holds them once a little
    /// more than the first part of a file has been read.
    pub async fn add_worker_that_gets_stuck(&mut self) -> (usize, Proxy) {
        let gateway = self.database_network.gateway();
        let source = Proxy::to_at(&self.postgres.published(), gateway).await;
        source.hold_after(STUCK_AFTER_BYTES);
        let url = self.postgres.url_by(&source.address(), Role::Worker);
        let variables = [("EXPORTS_SOURCE_DATABASE_URL", url.as_str())];
        (self.add_worker_with(&variables).await, source)
    }

    /// The API as the project's consumer sees it.
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

    /// The store that fails at the story's word, if the plan asked for it.
    #[must_use]
    pub fn faulty_store(&self) -> &S3Server {
        match &self.store {
            Store::Garage(_) => panic!("this deployment's store is Garage"),
            Store::Faulty(server) => server,
        }
    }

    /// Everything that was set as a secret, and the key.
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

    /// Puts that many small outbound messages into the database; 200,000 make some four parts.
    pub async fn insert_messages(&self, count: u32) {
        messages::insert(self.postgres.pool(), count).await;
    }

    /// Puts that many outbound messages of 100,000 bytes each; 84 fill the first part of an upload.
    pub async fn insert_large_messages(&self, count: u32) {
        messages::insert_large(self.postgres.pool(), count).await;
    }

    /// Puts these messages into the database, and the endpoints that they belong to.
    pub async fn insert(&self, endpoints: &[Endpoint], messages: &[Message]) {
        Endpoint::insert(self.postgres.pool(), endpoints).await;
        Message::insert(self.postgres.pool(), messages).await;
    }

    /// Asks for an export and gives its id.
    pub async fn create_export(&mut self, request: Value) -> String {
        let id = consumer::create(&self.client, &request).await;
        self.requests.insert(id.clone(), request);
        id
    }

    /// The export as the API shows it.
    pub async fn export(&self, id: &str) -> Value {
        consumer::get(&self.client, id).await
    }

    /// Waits until the export has this status, and gives it.
    pub async fn wait_until(&self, id: &str, status: &str) -> Value {
        consumer::wait_until(&self.client, id, status).await
    }

    /// Downloads the file by its link, which needs no key.
    pub async fn download(&self, id: &str) -> Reply {
        consumer::download(&self.client, id).await
    }

    /// Where the download leads.
    pub async fn link(&self, id: &str) -> String {
        consumer::link(&self.client, id).await
    }

    /// Waits for the export and downloads its file: it has every message that was asked for, in
    /// order and once, and is what the API says of it. Gives the export.
    pub async fn file_is_right(&self, id: &str) -> Value {
        let export = self.wait_until(id, "completed").await;
        let request = &self.requests[id];
        let (file, rows) = expected::file_for(self.postgres.pool(), PROJECT, request).await;
        let downloaded = self.download(id).await.body;
        assert!(downloaded == file, "the file of {request} is not right");
        assert_eq!(export["row_count"], rows);
        assert_eq!(export["file_size_bytes"], file.len());
        assert_eq!(export["sha256"], hex::encode(Sha256::digest(&file)));
        export
    }

    /// Waits until the bucket and the records hold what completed exports need and nothing else.
    pub async fn nothing_is_left_over(&self) {
        tidiness::nothing_is_left_over(&self.postgres, &self.store).await;
    }

    /// Waits until the first part of the export's file is in the store, or on its way.
    pub async fn is_in_the_middle_of_its_file(&self, id: &str, source: &Proxy) {
        source.held().await;
        let begun = format!(
            "SELECT count(*) FROM export_objects WHERE export_id = '{id}' AND upload_id IS NOT NULL"
        );
        self.postgres.wait_for(&begun, 1).await;
    }

    /// Waits until the export is at this attempt or beyond.
    pub async fn is_at_attempt(&self, id: &str, attempt: u64) {
        let reached = format!("SELECT attempt >= {attempt} FROM exports WHERE id = '{id}'");
        self.postgres.wait_for(&reached, true).await;
    }

    /// Waits until the API serves.
    pub async fn api_is_ready(&self) {
        eventually("the API is ready", PATIENCE, async || {
            let reply = self.client.try_get("/readyz").await.ok()?;
            (reply.status == 200).then_some(())
        })
        .await;
    }

    /// Everything that the programs and what they depend on have logged, with the name of each.
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

impl Store {
    async fn start(plan: &Plan, network: &Network, secrets: &Secrets) -> Self {
        if plan.store_with_faults {
            Self::Faulty(S3Server::in_process_at(network.gateway()))
        } else {
            let garage = Garage::start(network, &secrets.store_key, &secrets.rpc).await;
            Self::Garage(Box::new(garage))
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        match self {
            Self::Garage(garage) => garage.environment(),
            Self::Faulty(server) => {
                let mut environment = server.env();
                environment.push(("EXPORTS_OBJECT_STORE_URL".to_owned(), server.url()));
                environment
            }
        }
    }

    fn public_endpoint(&self) -> String {
        match self {
            Self::Garage(garage) => garage.public_endpoint(),
            Self::Faulty(server) => server.endpoint(),
        }
    }

    async fn remove(self) {
        if let Self::Garage(garage) = self {
            garage.remove().await;
        }
    }
}

async fn start_api(
    networks: [&Network; 2],
    store: &Store,
    mut environment: Vec<(String, String)>,
) -> (Program, Client) {
    const PORT: u16 = 8080;
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
    set("EXPORTS_LISTEN", format!("0.0.0.0:{PORT}"));
    set("EXPORTS_PUBLIC_URL", url.clone());
    set(
        "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
        store.public_endpoint(),
    );
    let pod = Pod::start(networks, &[(PORT, port)]).await;
    let api = Program::start(API, pod, &environment).await;
    (api, Client::new(&url))
}
