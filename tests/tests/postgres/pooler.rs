//! Behind PgBouncer, as the runbook describes: workers in session mode, the API in transaction mode.

use std::fmt::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use exports_database::{Created, Database, Leased, ListRequest};
use exports_postgres::PoolPurpose;
use exports_sandbox::LocalPostgres;
use exports_source::Source;
use exports_tests::{Message, TIMEOUT, eventually, not_run};
use futures_util::future::join_all;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::sessions::{known_urls, read};
use crate::support::{PROJECT, claim, filter, new_export, own_server, project, stop};

/// A `PgBouncer` in front of the test's private server.
struct Pooler {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Pooler {
    /// `settings`: lines of its configuration, as in the runbook.
    async fn start(program: &Path, postgres: &LocalPostgres, settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let server = url::Url::parse(&postgres.url()).unwrap();
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let mut text = String::from("[databases]\n");
        writeln!(
            text,
            "postgres = host=127.0.0.1 port={} user={} password='{}'",
            postgres.port(),
            server.username(),
            server.password().unwrap()
        )
        .unwrap();
        writeln!(
            text,
            "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n\
             unix_socket_dir =\nlogfile = {}\n{settings}",
            folder.path().join("log").display()
        )
        .unwrap();
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, text).unwrap();
        // PgBouncer refuses to run as root.
        let owner = postgres.folder().unwrap().join("data").metadata().unwrap();
        let mut command = Command::new(program);
        command.arg("-q").arg(&file);
        if folder.path().metadata().unwrap().uid() == 0 {
            for path in [folder.path(), &file] {
                chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
            }
            command.uid(owner.uid()).gid(owner.gid());
        }
        let process = command.spawn().unwrap();
        eventually("PgBouncer listens", TIMEOUT, async || {
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        Self {
            process,
            port,
            _folder: folder,
        }
    }

    fn url(&self) -> String {
        format!("postgres://anybody@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The pooler's own refusals mean that the database is unavailable, in its words.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_pooler_are_reported_in_its_words() {
    let Some((postgres, program)) = prepared().await else {
        return;
    };
    let pooler = Pooler::start(&program, &postgres, "pool_mode = session").await;
    let missing = format!("{}_not_there", pooler.url());
    let database = Database::new(&missing, PoolPurpose::Api).unwrap();
    let requests = (0..20).map(|_| database.migration_state());
    let mut errors = Vec::new();
    for answer in join_all(requests).await {
        errors.push(answer.unwrap_err());
    }
    errors.push(database.open_wire().await.unwrap_err().into());
    for error in errors {
        let line = exports_domain::error_line(&error);
        assert!(error.is_unavailable() && error.is_transient(), "{line}");
        // PgBouncer 1.18 with `auth_type = any`, and later versions.
        let words = ["bouncer config error", "no such database"];
        assert!(words.iter().any(|words| line.contains(words)), "{line}");
    }
    drop(pooler);
    stop(postgres).await;
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.exists());
    let has_to_be = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(found.is_some() || !has_to_be, "pgbouncer is not installed");
    found
}

/// A migrated server with messages, and the path of `pgbouncer`.
async fn prepared() -> Option<(LocalPostgres, PathBuf)> {
    let Some(program) = program() else {
        not_run("pgbouncer is not installed");
        return None;
    };
    let Some((postgres, _)) = own_server().await else {
        not_run("the private server is a container, which PgBouncer's user cannot log in to");
        return None;
    };
    let database = Database::new(&postgres.url(), PoolPurpose::Command).unwrap();
    database.migrate().await.unwrap();
    database.create_project(&project()).await.unwrap();
    let pool = PgPool::connect(&postgres.url()).await.unwrap();
    Message::insert_many(&pool, PROJECT, "2025-12-01T00:00:00Z", 5_000).await;
    pool.close().await;
    Some((postgres, program))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_works_with_pgbouncer_in_session_mode() {
    let Some((postgres, program)) = prepared().await else {
        return;
    };
    // With the setting of the runbook, and without it.
    for startup in ["ignore_startup_parameters = options", ""] {
        let settings = format!("pool_mode = session\n{startup}");
        let pooler = Pooler::start(&program, &postgres, &settings).await;
        let purpose = PoolPurpose::Worker { concurrency: 2 };
        let database = Database::new(&pooler.url(), purpose).unwrap();
        let reached = database.check().await.unwrap();
        assert!(reached.pooler, "{reached:?}");

        let mut listener = database.listen().await.unwrap();
        database.create_export(&new_export()).await.unwrap();
        timeout(TIMEOUT, listener.notified())
            .await
            .expect("a notification arrives")
            .unwrap();
        let claimed = claim(&database).await.unwrap();
        assert_eq!(
            database.release(claimed.lease).await.unwrap(),
            Leased::Held(())
        );

        let source = Source::same_as(&database);
        let mut session = source.open_session().await.unwrap();
        session.begin(&project()).await.unwrap();
        let rows = read(&mut session, &filter(), &known_urls()).await;
        assert_eq!(rows.len(), 5_000);
        session.finish().await.unwrap();
        assert_eq!(database.migrate().await.unwrap(), 0);
        database.close().await;
    }
    stop(postgres).await;
}

/// Many concurrent statements over two server connections: statements of a session use both of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_works_with_pgbouncer_in_transaction_mode() {
    let Some((postgres, program)) = prepared().await else {
        return;
    };
    for startup in ["ignore_startup_parameters = options", ""] {
        let settings = format!("pool_mode = transaction\ndefault_pool_size = 2\n{startup}");
        let pooler = Pooler::start(&program, &postgres, &settings).await;
        let database = Database::new(&pooler.url(), PoolPurpose::Api).unwrap();
        let reached = database.check().await.unwrap();
        assert!(reached.pooler, "{reached:?}");
        let source = Source::same_as(&database);
        source.check().await.unwrap();

        let one = async || {
            let new = new_export();
            let created = database.create_export(&new).await.unwrap();
            assert!(matches!(created, Created::New(_)), "{created:?}");
            let found = database.get_export(&project(), new.id).await.unwrap();
            assert_eq!(found.unwrap().id, new.id);
            let request = ListRequest {
                limit: 3,
                after: None,
                status: None,
            };
            let page = database.list_exports(&project(), request).await.unwrap();
            assert!(!page.exports.is_empty());
            database.ping().await.unwrap();
            assert!(
                database
                    .authenticate("no such key")
                    .await
                    .unwrap()
                    .is_none()
            );
            database.delete_export(&project(), new.id).await.unwrap();
            // A lookup for a missing project does not affect the other statements.
            let nobody = "proj_nobody".parse().unwrap();
            assert!(
                database
                    .get_export(&nobody, new.id)
                    .await
                    .unwrap()
                    .is_none()
            );
        };
        for _ in 0..5 {
            join_all((0..20).map(|_| one())).await;
        }
        database.close().await;
    }
    stop(postgres).await;
}
