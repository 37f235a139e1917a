//! TLS to `PostgreSQL`: what `sslmode` and `sslrootcert` in a URL promise is kept.

use std::error::Error;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use exports_domain::Direction;
use exports_local::{LocalPostgres, Shutdown};
use exports_storage::source::UrlColumn;
use exports_storage::{Database, PoolPurpose, Source};
use exports_tests::{Endpoint, Message, uuid};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::sessions::{begin, join, leave_in_the_middle, read};
use crate::support::{PROJECT, filter, not_run, own_server, project, stop};

fn certificate(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates");
    folder.join(name)
}

/// Gives the server its certificate, which is for `localhost`.
async fn switch_tls_on(postgres: LocalPostgres, folder: &Path) -> LocalPostgres {
    let data = folder.join("data");
    let owner = data.metadata().unwrap();
    for name in ["server.pem", "server.key"] {
        let copy = data.join(name);
        std::fs::copy(certificate(name), &copy).unwrap();
        std::fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
        chown(&copy, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
    for setting in [
        "ssl = on",
        "ssl_cert_file = 'server.pem'",
        "ssl_key_file = 'server.key'",
    ] {
        let set = AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"));
        sqlx::raw_sql(set).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let restarted = tokio::task::spawn_blocking(move || {
        postgres.restart(Shutdown::Fast).unwrap();
        postgres
    });
    restarted.await.unwrap()
}

/// What comes of connecting: the last cause of the error, if there is one.
async fn connect(url: &str) -> Result<(), String> {
    let database = Database::new(url, PoolPurpose::Command).unwrap();
    let Err(error) = database.check().await else {
        return Ok(());
    };
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Err(cause.to_string())
}

fn source(url: &str) -> Source {
    Source::same_as(&Database::new(url, PoolPurpose::Command).unwrap())
}

/// Whoever joins a session's snapshot keeps that promise as well. Gives the kind of connection.
async fn join_in_tls(url: &str) -> String {
    let (_session, snapshot) = begin(&source(url)).await;
    let reader = join(&source(url), &snapshot).await.unwrap();
    let mut connection = PgConnection::connect(url).await.unwrap();
    let encrypted = "SELECT count(*) FILTER (WHERE ssl) = 2 AND count(*) = 2 FROM pg_stat_ssl
         JOIN pg_stat_activity USING (pid) WHERE state = 'idle in transaction'";
    let encrypted: bool = sqlx::query_scalar(encrypted)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(encrypted, "{url}");
    let kinds = ["Bulk", "Sqlx"].into_iter();
    let kind = kinds.filter(|kind| format!("{reader:?}").contains(kind));
    kind.collect()
}

async fn refuse_to_join(session: &str, reader: &str) {
    let (_session, snapshot) = begin(&source(session)).await;
    let refused = join(&source(reader), &snapshot).await;
    assert!(refused.unwrap_err().sql_state().is_none(), "{reader}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_wants_a_verified_server_gets_no_other() {
    let Some((postgres, folder)) = own_server().await else {
        not_run("the private server is a container, whose certificate cannot be set");
        return;
    };
    let by_name = postgres.url().replace("127.0.0.1", "localhost");
    let refused = connect(&format!("{by_name}?sslmode=require")).await;
    assert!(refused.unwrap_err().contains("does not support TLS"));

    let postgres = switch_tls_on(postgres, &folder).await;

    let verified = |url: &str, authority: &str| {
        let authority = certificate(authority);
        format!(
            "{url}?sslmode=verify-full&sslrootcert={}",
            authority.display()
        )
    };
    assert_eq!(connect(&verified(&by_name, "ca.pem")).await, Ok(()));
    let other_name = connect(&verified(&postgres.url(), "ca.pem")).await;
    assert!(other_name.unwrap_err().contains("not valid for name"));
    let other_authority = connect(&verified(&by_name, "other-ca.pem")).await;
    assert!(other_authority.unwrap_err().contains("UnknownIssuer"));
    let no_authority = connect(&verified(&by_name, "missing.pem")).await;
    assert!(no_authority.unwrap_err().contains("No such file"));
    let mut kinds = Vec::new();
    for url in [
        verified(&by_name, "ca.pem"),
        format!("{by_name}?sslmode=require"),
        format!("{by_name}?sslmode=prefer"),
    ] {
        kinds.push(join_in_tls(&url).await);
    }
    assert_eq!(kinds, ["Bulk", "Sqlx", "Sqlx"]);
    for authority in ["other-ca.pem", "missing.pem"] {
        let session = verified(&by_name, "ca.pem");
        refuse_to_join(&session, &verified(&by_name, authority)).await;
    }

    stop(postgres).await;
}

/// Where a URL wants what our own connection does not speak, sqlx's does the same work.
#[tokio::test(flavor = "multi_thread")]
async fn whose_connection_it_is_does_not_show_in_the_rows() {
    let Some((postgres, folder)) = own_server().await else {
        not_run("the private server is a container, whose certificate cannot be set");
        return;
    };
    let postgres = switch_tls_on(postgres, &folder).await;
    let url = |mode: &str| format!("{}?sslmode={mode}", postgres.url());
    let database = Database::new(&url("disable"), PoolPurpose::Command).unwrap();
    database.migrate().await.unwrap();
    let pool = PgPool::connect(&url("disable")).await.unwrap();
    let endpoint = Endpoint::outbound(PROJECT, uuid(0), "https://one.example");
    Endpoint::insert(&pool, &[endpoint]).await;
    Message::insert_many(&pool, PROJECT, "2025-12-01T00:00:00Z", 20_000).await;

    let mut all = Vec::new();
    for (mode, kind) in [("disable", "Bulk"), ("require", "Sqlx")] {
        let source = source(&url(mode));
        let mut session = source.open_session().await.unwrap();
        assert!(format!("{session:?}").contains(kind), "{session:?}");
        session.begin(&project()).await.unwrap();
        let few = session.outlook(&filter(), 10).await.unwrap();
        let urls = session.endpoint_urls(Direction::Outbound, 10).await;
        let plan = session.plan(&filter(), true).await.unwrap();
        let (sample, is_small) = session.sample().await.unwrap();
        let created_at = sample.unwrap().created_at;
        let rows = read(&mut session, &filter(), UrlColumn::Joined).await;
        assert_eq!(rows.len(), 20_000);
        assert!(rows.iter().all(|row| row.url.is_some()));
        session.finish().await.unwrap();
        leave_in_the_middle(&source, 20_000).await;
        all.push((few, urls.unwrap(), plan, created_at, is_small, rows));
    }
    assert!(all[0] == all[1]);

    pool.close().await;
    stop(postgres).await;
}
