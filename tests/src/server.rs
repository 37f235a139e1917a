//! The PostgreSQL server of a test process, and the making and dropping of databases in it.
//!
//! Started when first needed. A private one is cleaned up by its guardian when the process ends.
//! In one that was given (`TEST_DATABASE_URL`), a run's databases carry the run's number, and the
//! run holds an advisory lock of that number: what a killed run has left is found by its free
//! lock and dropped by the next one. Any number of runs can share a server.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use exports_database::Database;
use exports_postgres::PoolPurpose;
use exports_sandbox::{LocalPostgres, Server};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// All databases of tests begin so.
const PREFIX: &str = "exports_test_";
/// How long a drop may take before it is left to the next run.
const DROP_LIMIT: Duration = Duration::from_secs(30);

/// Outlives every test's own runtime, so that connections to the server itself can be shared.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("test-server")
        .enable_all()
        .build()
        .expect("a runtime")
});

static SERVER: OnceCell<TestServer> = OnceCell::const_new();

/// The server with what this process keeps in it.
pub(crate) struct TestServer {
    server: Server,
    admin: PgPool,
    run: u64,
    number: AtomicU32,
    dropping: tokio::sync::Mutex<()>,
    template: tokio::sync::Mutex<Weak<Template>>,
    /// Keeps the template from test to test, where the server goes with the process.
    kept: Mutex<Option<Arc<Template>>>,
}

/// A migrated database that others are cloned from; dropped with the last of its clones.
pub(crate) struct Template {
    name: String,
    server: &'static TestServer,
}

/// This process's private server, for tests that stop, copy or restart one; none if
/// `TEST_DATABASE_URL` gave a server.
pub async fn private_server() -> Option<&'static LocalPostgres> {
    TestServer::get().await.server.private()
}

/// A standby of this process's private server, with what is in it by now. None where no such can be
/// made, which is said.
pub async fn private_standby() -> Option<LocalPostgres> {
    let Some(primary) = private_server().await else {
        not_run("TEST_DATABASE_URL is set, and of a given server no replica can be made");
        return None;
    };
    standby_of(primary).await
}

/// A standby of a server. None where no such can be made, which is said.
pub async fn standby_of(server: &LocalPostgres) -> Option<LocalPostgres> {
    match tokio::task::block_in_place(|| server.standby()) {
        Ok(standby) => Some(standby),
        Err(exports_sandbox::Error::InstalledProgramsOnly { .. }) => {
            not_run("the private server is a container, of which no replica can be made");
            None
        }
        Err(error) => panic!("no standby: {}", chain(&error)),
    }
}

/// To where the test runner does not swallow it: a story that cannot be told is not a silent one.
pub fn not_run(reason: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "NOT RUN: {reason}");
}

impl TestServer {
    /// The server, started by whoever comes first.
    pub(crate) async fn get() -> &'static Self {
        SERVER.get_or_init(|| on_server(Self::start())).await
    }

    async fn start() -> Self {
        let started = tokio::task::spawn_blocking(Server::for_tests).await;
        let server = started
            .expect("starting does not panic")
            .unwrap_or_else(|error| panic!("no PostgreSQL for the tests: {}", chain(&error)));
        let admin = PgPoolOptions::new()
            .max_connections(4)
            .connect(&server.url())
            .await
            .expect("the tests' PostgreSQL accepts connections");
        let this = Self {
            run: rand_u64(),
            number: AtomicU32::new(0),
            dropping: tokio::sync::Mutex::default(),
            template: tokio::sync::Mutex::new(Weak::new()),
            kept: Mutex::new(None),
            admin,
            server,
        };
        if this.server.private().is_none() {
            this.take_over().await;
        }
        this
    }

    /// Takes this run's lock, and drops what runs that hold none have left.
    async fn take_over(&self) {
        let connection = self.admin.acquire().await.expect("a connection");
        // Leaked on purpose: the lock is this connection's, and lasts as long as the process.
        let connection = Box::leak(Box::new(connection));
        let names: Vec<String> =
            sqlx::query_scalar("SELECT datname FROM pg_database WHERE starts_with(datname, $1)")
                .bind(PREFIX)
                .fetch_all(&mut **connection)
                .await
                .expect("the names of the databases");
        for name in names {
            let Some(run) = run_of(&name) else { continue };
            let is_over: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(run.cast_signed())
                .fetch_one(&mut **connection)
                .await
                .expect("an advisory lock");
            if is_over {
                self.drop_database(&name).await;
                sqlx::query("SELECT pg_advisory_unlock($1)")
                    .bind(run.cast_signed())
                    .execute(&mut **connection)
                    .await
                    .expect("the lock is held");
            }
        }
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(self.run.cast_signed())
            .execute(&mut **connection)
            .await
            .expect("nobody else has this run's number");
    }

    /// The URL of a database of this server.
    pub(crate) fn url_for(&self, name: &str) -> String {
        self.server.url_for(name)
    }

    /// Creates a database, as a copy of the template if there is one.
    pub(crate) async fn create_database(&'static self, template: Option<&Template>) -> String {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{:016x}_{number}", self.run);
        let template = template.map_or("template1", |template| &template.name);
        let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#);
        on_server(async { self.run(sql).await }).await;
        name
    }

    /// The migrated template, made by whoever comes first.
    pub(crate) async fn template(&'static self) -> Arc<Template> {
        let mut slot = self.template.lock().await;
        if let Some(template) = slot.upgrade() {
            return template;
        }
        let name = self.create_database(None).await;
        let url = self.url_for(&name);
        on_server(async move {
            // On a thread of its own: the migrations' future cannot move between threads.
            tokio::task::spawn_blocking(move || RUNTIME.block_on(migrate(&url)))
                .await
                .expect("the migrations apply");
        })
        .await;
        let template = Arc::new(Template { name, server: self });
        *slot = Arc::downgrade(&template);
        if self.server.private().is_some() {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some(Arc::clone(&template));
        }
        template
    }

    async fn run(&self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(&self.admin)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn drop_database(&self, name: &str) {
        let sql = format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#);
        // If it fails, a private server goes anyway, and in a given one the next run tries again.
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.admin).await {
            eprintln!("{name} was not dropped: {error}");
        }
        self.drop_roles(name).await;
    }

    /// The roles of a database carry its name: see [`TestDatabase::role`](crate::TestDatabase::role).
    async fn drop_roles(&self, database: &str) {
        let roles: Result<Vec<String>, _> =
            sqlx::query_scalar("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)")
                .bind(format!("{database}_"))
                .fetch_all(&self.admin)
                .await;
        for role in roles.unwrap_or_default() {
            let quoted = role.replace('"', "\"\"");
            let sql = format!(r#"DROP ROLE IF EXISTS "{quoted}""#);
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.admin).await {
                eprintln!("{role} was not dropped: {error}");
            }
        }
    }

    /// Drops a database from where nothing can be awaited. In a given server, blocks until it is
    /// gone; a private one goes with the process anyway.
    pub(crate) fn drop_database_now(&'static self, name: String) {
        let (done, wait) = mpsc::channel();
        RUNTIME.spawn(async move {
            // One at a time: a drop waits for every session of the server that is stuck in
            // sending to a client, which is what some tests are about.
            let _turn = self.dropping.lock().await;
            self.drop_database(&name).await;
            done.send(()).ok();
        });
        if self.server.private().is_none() {
            wait.recv_timeout(DROP_LIMIT).ok();
        }
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        self.server
            .drop_database_now(std::mem::take(&mut self.name));
    }
}

/// Runs on the runtime that lives as long as the process; a panic there is one here.
async fn on_server<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match RUNTIME.spawn(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn migrate(url: &str) {
    let database = Database::new(url, PoolPurpose::Command).expect("a usable URL");
    database.migrate().await.expect("the migrations apply");
    database.close().await;
}

/// The run's number in a database's name.
fn run_of(name: &str) -> Option<u64> {
    let (run, _) = name.strip_prefix(PREFIX)?.split_once('_')?;
    u64::from_str_radix(run, 16).ok()
}

fn rand_u64() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// An error with its sources, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}
