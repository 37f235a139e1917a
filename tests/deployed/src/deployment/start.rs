//! Starts a deployment in the order of the operator's guide.

use std::collections::HashMap;

use exports_tests::{Client, TIMEOUT, eventually};

use super::Deployment;
use crate::containers::{free_port, unique_name};
use crate::engine::API;
use crate::messages::PROJECT;
use crate::network::Network;
use crate::plan::Plan;
use crate::pod::Pod;
use crate::postgres::{Postgres, Role};
use crate::program::{Program, exportctl};
use crate::secrets::Secrets;
use crate::store::Store;

const MIGRATE: [&str; 6] = [
    "admin",
    "migrate",
    "--api-role",
    "exports_api",
    "--worker-role",
    "exports_worker",
];

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
        exportctl(
            &database_network,
            &url,
            &["admin", "project", "create", PROJECT],
        )
        .await;
        let create_key = ["admin", "key", "create", "--project", PROJECT];
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

    /// Waits until the API serves.
    pub async fn api_is_ready(&self) {
        eventually("the API is ready", TIMEOUT, async || {
            let reply = self.client.try_get("/readyz").await.ok()?;
            (reply.status == 200).then_some(())
        })
        .await;
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
