//! The PostgreSQL server of a test process. Creates and drops databases in it.
//!
//! It starts on first use. The reaper removes a private server when the process ends. In the server of `TEST_DATABASE_URL`, the
//! names of a run's databases contain the run's number, and the run holds an advisory lock on that number. If the lock is free,
//! the run has ended, and the next run drops its databases. Any number of runs can share a server.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use exports_database::Database;
use exports_postgres::PoolPurpose;
use exports_sandbox::Server;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

mod private;

use private::chain;
pub use private::{not_run, private_server, private_standby, standby_of};

/// The prefix of all databases of tests.
const PREFIX: &str = "exports_test_";
/// The timeout of a drop; the next run tries again.
const DROP_LIMIT: Duration = Duration::from_secs(30);

/// Lives longer than the runtimes of the tests, so that tests can share the connections to the server.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("test-server")
        .enable_all()
        .build()
        .expect("a runtime")
});

static SERVER: OnceCell<TestServer> = OnceCell::const_new();

/// The server, with the state of this process.
pub(crate) struct TestServer {
    server: Server,
    admin: PgPool,
    run: u64,
    number: AtomicU32,
    dropping: tokio::sync::Mutex<()>,
    template: tokio::sync::Mutex<Weak<Template>>,
    /// In a private server the template stays until the process ends.
    pinned: Mutex<Option<Arc<Template>>>,
}

/// A migrated database from which others are cloned. It is dropped with the last clone.
pub(crate) struct Template {
    name: String,
    server: &'static TestServer,
}

impl TestServer {
    /// The server; the first call starts it.
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
            pinned: Mutex::new(None),
            admin,
            server,
        };
        if this.server.private().is_none() {
            this.drop_databases_of_ended_runs().await;
        }
        this
    }

    /// Drops the databases of runs that do not hold their lock, and takes this run's lock.
    async fn drop_databases_of_ended_runs(&self) {
        let connection = self.admin.acquire().await.expect("a connection");
        // Leaked on purpose: the connection holds the lock until the process ends.
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
            .expect("no other run has this number");
    }

    /// The URL of a database of this server.
    pub(crate) fn url_for(&self, name: &str) -> String {
        self.server.url_for(name)
    }

    /// Creates a database, as a clone of the template if there is one.
    pub(crate) async fn create_database(&'static self, template: Option<&Template>) -> String {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{:016x}_{number}", self.run);
        let template = template.map_or("template1", |template| &template.name);
        let sql = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#);
        on_server(async { self.run(sql).await }).await;
        name
    }

    /// The migrated template; the first call creates it.
    pub(crate) async fn template(&'static self) -> Arc<Template> {
        let mut slot = self.template.lock().await;
        if let Some(template) = slot.upgrade() {
            return template;
        }
        let name = self.create_database(None).await;
        let url = self.url_for(&name);
        on_server(async move {
            // On its own thread: the future of the migrations is not `Send`.
            tokio::task::spawn_blocking(move || RUNTIME.block_on(migrate(&url)))
                .await
                .expect("the migrations apply");
        })
        .await;
        let template = Arc::new(Template { name, server: self });
        *slot = Arc::downgrade(&template);
        if self.server.private().is_some() {
            let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
            *pinned = Some(Arc::clone(&template));
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
        // A private server is removed anyway; in a given one the next run tries again.
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.admin).await {
            eprintln!("{name} was not dropped: {error}");
        }
        self.drop_roles(name).await;
    }

    /// The roles of a database have its name as prefix: see [`TestDatabase::role`](crate::TestDatabase::role).
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

    /// Drops a database from a `Drop`. In a given server it blocks until that is complete; a private one is removed anyway.
    pub(crate) fn drop_database_now(&'static self, name: String) {
        let (done, wait) = mpsc::channel();
        RUNTIME.spawn(async move {
            // One at a time: a drop waits for every session that is blocked in sending to a client, and some tests block
            // sessions.
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

/// Runs on the process-wide runtime; forwards a panic.
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
