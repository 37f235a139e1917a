//! The database of a deployment, with the deployment's script for the roles.

use std::path::Path;
use std::time::{Duration, Instant};

use exports_tests::{TIMEOUT, eventually};
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use testcontainers::runners::AsyncRunner;
use testcontainers::{CopyTargetOptions, GenericImage, ImageExt};

use crate::containers::{Container, free_port, labelled, log_of, unique_name};
use crate::engine::{POSTGRES, docker};
use crate::network::Network;

const DATABASE: &str = "exports";
const SUPERUSER: &str = "postgres";
/// Creates the roles when the server is initialised.
const ROLES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../deploy/postgresql/roles.sh"
);
const PORT: u16 = 5432;
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// The roles, with least privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs `exportctl`.
    Owner,
    Api,
    Worker,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Owner => "exports_owner",
            Self::Api => "exports_api",
            Self::Worker => "exports_worker",
        }
    }

    /// Each has its own password.
    fn password(self, secret: &str) -> String {
        format!("{}-{secret}", self.name())
    }
}

/// A running `PostgreSQL`.
pub struct Postgres {
    container: Container,
    name: String,
    secret: String,
    port: u16,
    pool: PgPool,
}

impl Postgres {
    /// Starts it; returns when it accepts connections. Every password ends with `secret`.
    pub(crate) async fn start(network: &Network, secret: &str) -> Self {
        let name = unique_name("postgres");
        let port = free_port();
        let image = GenericImage::new(POSTGRES.0, POSTGRES.1);
        let container = labelled(image, &name, &[(PORT, port)])
            .with_network(network.name())
            .with_env_var("POSTGRES_DB", DATABASE)
            .with_env_var("POSTGRES_USER", SUPERUSER)
            .with_env_var("POSTGRES_PASSWORD", secret)
            .with_env_var("OWNER_PASSWORD", Role::Owner.password(secret))
            .with_env_var("API_PASSWORD", Role::Api.password(secret))
            .with_env_var("WORKER_PASSWORD", Role::Worker.password(secret))
            .with_copy_to(
                CopyTargetOptions::new("/docker-entrypoint-initdb.d/roles.sh").with_mode(0o755),
                Path::new(ROLES),
            )
            .with_env_var("POSTGRES_INITDB_ARGS", "--no-sync")
            .start()
            .await
            .unwrap_or_else(|error| panic!("PostgreSQL: {error}"));
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy(&url(SUPERUSER, secret, &format!("127.0.0.1:{port}")))
            .expect("a valid URL");
        let this = Self {
            container,
            name,
            secret: secret.to_owned(),
            port,
            pool,
        };
        this.answers().await;
        this
    }

    /// The URL of a role on its network.
    pub(crate) fn url(&self, role: Role) -> String {
        self.url_by(&self.host(), role)
    }

    /// The same with the address of a proxy.
    pub(crate) fn url_by(&self, address: &str, role: Role) -> String {
        url(role.name(), &role.password(&self.secret), address)
    }

    /// Its host and port for the programs.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}:{PORT}", self.name)
    }

    /// Its address on this machine, `127.0.0.1:port`.
    pub(crate) fn published(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The single value of a query, as JSON.
    pub async fn value(&self, sql: &str) -> Value {
        let wrapped = format!("SELECT to_jsonb(found.value) FROM ({sql}) found (value)");
        let value: Option<Value> = sqlx::query_scalar(AssertSqlSafe(wrapped))
            .fetch_one(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        value.unwrap_or(Value::Null)
    }

    /// Waits until a query returns this value.
    pub async fn wait_for(&self, sql: &str, expected: impl Into<Value>) {
        let expected = expected.into();
        eventually(&format!("{sql} gives {expected}"), TIMEOUT, async || {
            (self.value(sql).await == expected).then_some(())
        })
        .await;
    }

    /// Restarts the server, like an upgrade; returns when it accepts connections.
    pub async fn restart(&self) {
        let docker = docker().await;
        let restarted = docker.restart_container(self.container.id(), None).await;
        restarted.expect("PostgreSQL's container restarts");
        self.answers().await;
    }

    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    pub(crate) async fn remove(self) {
        self.pool.close().await;
        self.container.rm().await.expect("PostgreSQL is removed");
    }

    /// Runs a query, because the port is published before the server listens.
    async fn answers(&self) {
        let begun = Instant::now();
        loop {
            let asked: Result<i32, _> = sqlx::query_scalar("SELECT 1").fetch_one(&self.pool).await;
            let Err(error) = asked else { return };
            if begun.elapsed() > TIMEOUT {
                let log = log_of(&self.container).await;
                panic!("PostgreSQL does not answer: {error}\n{log}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn url(user: &str, password: &str, address: &str) -> String {
    format!("postgres://{user}:{password}@{address}/{DATABASE}?sslmode=disable")
}
