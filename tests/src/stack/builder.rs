//! Which parts a stack has, and its start.

use exports_database::{Database, Program};
use exports_domain::ProjectId;

use super::{RunningStore, Stack, StoreKind};
use crate::database::TestDatabase;
use crate::http::Client;
use crate::process::Process;
use crate::proxy::Proxy;

/// The project of every stack; each has a database of its own.
const PROJECT: &str = "proj_abc123";
const SIGNING_KEY: &str = "a signing key for tests, which is long enough";

/// What a stack is going to be.
#[derive(Debug, Clone)]
pub struct StackBuilder {
    store: StoreKind,
    workers: usize,
    signing_key: Option<&'static str>,
    database_proxy: bool,
    public_endpoint: bool,
    roles: bool,
    both: Vec<(String, String)>,
    api: Vec<(String, String)>,
    worker: Vec<(String, String)>,
}

impl Default for StackBuilder {
    fn default() -> Self {
        Self {
            store: StoreKind::File,
            workers: 1,
            signing_key: Some(SIGNING_KEY),
            database_proxy: false,
            public_endpoint: false,
            roles: false,
            both: Vec::new(),
            api: Vec::new(),
            worker: Vec::new(),
        }
    }
}

impl StackBuilder {
    /// The object store.
    #[must_use]
    pub fn store(mut self, kind: StoreKind) -> Self {
        self.store = kind;
        self
    }

    /// How many workers there are from the start; 0 leaves every export pending.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// The API has no key to sign links with.
    #[must_use]
    pub fn without_signing_key(mut self) -> Self {
        self.signing_key = None;
        self
    }

    /// The programs reach the database through [`Stack::database_proxy`].
    #[must_use]
    pub fn database_proxy(mut self) -> Self {
        self.database_proxy = true;
        self
    }

    /// Consumers see the S3 store at another address than the programs do:
    /// [`S3Server::public_endpoint`](crate::s3::S3Server::public_endpoint).
    #[must_use]
    pub fn public_endpoint(mut self) -> Self {
        self.public_endpoint = true;
        self
    }

    /// Each program connects as a role of its own that may do what `exportctl migrate` grants it,
    /// and no more.
    #[must_use]
    pub fn roles(mut self) -> Self {
        self.roles = true;
        self
    }

    /// A variable for every program.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        set(&mut self.both, name, value);
        self
    }

    /// A variable for the API alone.
    #[must_use]
    pub fn api_env(mut self, name: &str, value: &str) -> Self {
        set(&mut self.api, name, value);
        self
    }

    /// A variable for the workers alone.
    #[must_use]
    pub fn worker_env(mut self, name: &str, value: &str) -> Self {
        set(&mut self.worker, name, value);
        self
    }

    /// Starts everything; returns when the API listens.
    pub async fn start(self) -> Stack {
        let database = TestDatabase::create().await;
        let store = RunningStore::start(self.store);
        let storage = database.storage();
        let project: ProjectId = PROJECT.parse().expect("a project id");
        let key = project_with_key(&storage, &project).await;

        let database_proxy = if self.database_proxy {
            Some(Proxy::to_postgres(database.url()).await)
        } else {
            None
        };
        let database_url = match &database_proxy {
            Some(proxy) => proxy.url(database.url()),
            None => database.url().to_owned(),
        };
        let mut common = store.environment();
        set(&mut common, "DATABASE_URL", &database_url);
        set(&mut common, "EXPORTS_LOG_FORMAT", "json");
        set_all(&mut common, &self.both);

        let mut for_api = common.clone();
        set(&mut for_api, "EXPORTS_LISTEN", "127.0.0.1:0");
        if let Some(key) = self.signing_key {
            set(&mut for_api, "EXPORTS_SIGNING_KEY", key);
        }
        if let (true, Some(s3)) = (self.public_endpoint, store.s3()) {
            let endpoint = s3.public_endpoint();
            set(
                &mut for_api,
                "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT",
                &endpoint,
            );
        }
        let mut worker_environment = common;
        if self.roles {
            for (program, name, environment) in [
                (Program::Api, "api", &mut for_api),
                (Program::Worker, "worker", &mut worker_environment),
            ] {
                let (role, url) = database.role(name).await;
                let granted = storage.grant(program, &role).await;
                granted.expect("a role with the rights of its program");
                set(environment, "DATABASE_URL", &url);
            }
        }
        set_all(&mut for_api, &self.api);
        set_all(&mut worker_environment, &self.worker);

        let workers = (0..self.workers)
            .map(|_| Process::start("exports-worker", &[], worker_environment.clone()))
            .collect();
        let mut api = Process::start("exports-api", &[], for_api);
        let listening = api.wait_for_event("listening").await;
        let address = listening["address"].as_str();
        let address = address.expect("the event `listening` has an address");
        Stack {
            client: Client::new(address).with_key(&key),
            workers,
            api,
            database_proxy,
            store,
            database,
            storage,
            project,
            key,
            worker_environment,
        }
    }
}

/// Makes a project, and a key that opens it.
pub(super) async fn project_with_key(storage: &Database, project: &ProjectId) -> String {
    let created = storage.create_project(project).await;
    assert!(created.expect("a new project"), "{project} exists already");
    let key = storage.create_key(project, Some("test")).await;
    let key = key.expect("a new key").expect("the project exists");
    key.secret
}

/// Sets variables, each in place of what its name had before.
pub(super) fn set_all<N: AsRef<str>, V: AsRef<str>>(
    environment: &mut Vec<(String, String)>,
    variables: &[(N, V)],
) {
    for (name, value) in variables {
        set(environment, name.as_ref(), value.as_ref());
    }
}

fn set(environment: &mut Vec<(String, String)>, name: &str, value: &str) {
    environment.retain(|(known, _)| known != name);
    environment.push((name.to_owned(), value.to_owned()));
}
