//! TLS: `sslmode` and `sslrootcert` in a URL work as documented by libpq.

use std::error::Error;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use exports_database::Database;
use exports_domain::Direction;
use exports_postgres::PoolPurpose;
use exports_sandbox::{LocalPostgres, Shutdown};
use exports_source::EndpointUrls;
use exports_source::Source;
use exports_tests::{Endpoint, Message, TIMEOUT, eventually, not_run, uuid};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::support::sessions::{begin, join, leave_in_the_middle, read};
use crate::support::{PROJECT, filter, own_server, project, stop};

fn certificate(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates");
    folder.join(name)
}

/// Enables TLS with a certificate for `localhost`.
async fn switch_tls_on(postgres: LocalPostgres, folder: &Path) -> LocalPostgres {
    give_certificate(folder, "server.pem", "server.key");
    switch_on(postgres).await
}

fn give_certificate(folder: &Path, pem: &str, key: &str) {
    let data = folder.join("data");
    let owner = data.metadata().unwrap();
    for (name, source) in [("server.pem", pem), ("server.key", key)] {
        let copy = data.join(name);
        std::fs::copy(certificate(source), &copy).unwrap();
        std::fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
        chown(&copy, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

async fn switch_on(postgres: LocalPostgres) -> LocalPostgres {
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

/// Connects; on failure returns the last cause of the error.
async fn connect(url: &str) -> Result<(), String> {
    let database = Database::new(url, PoolPurpose::Command).map_err(|error| error.to_string())?;
    let Err(error) = database.check().await else {
        // Connections of the pool have the same result.
        database.ping().await.unwrap();
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

/// A session and a reader that joins its snapshot both use TLS.
async fn join_in_tls(url: &str) {
    let (_session, snapshot) = begin(&source(url)).await;
    let _reader = join(&source(url), &snapshot).await.unwrap();
    let mut connection = PgConnection::connect(url).await.unwrap();
    let encrypted = "SELECT count(*) FILTER (WHERE ssl) = 2 AND count(*) = 2 FROM pg_stat_ssl
         JOIN pg_stat_activity USING (pid) WHERE state = 'idle in transaction'";
    let encrypted: bool = sqlx::query_scalar(encrypted)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(encrypted, "{url}");
}

async fn refuse_to_join(session: &str, reader: &str) {
    let (_session, snapshot) = begin(&source(session)).await;
    let refused = join(&source(reader), &snapshot).await;
    assert!(refused.unwrap_err().sql_state().is_none(), "{reader}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_with_verify_full_connects_only_to_a_verified_server() {
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
    assert!(
        other_name
            .unwrap_err()
            .contains("not valid for \"127.0.0.1\"")
    );
    let other_authority = connect(&verified(&by_name, "other-ca.pem")).await;
    assert!(other_authority.unwrap_err().contains("unknown authority"));
    let no_authority = connect(&verified(&by_name, "missing.pem")).await;
    assert!(no_authority.unwrap_err().contains("it does not exist"));
    for url in [
        verified(&by_name, "ca.pem"),
        format!("{by_name}?sslmode=require"),
        format!("{by_name}?sslmode=prefer"),
    ] {
        join_in_tls(&url).await;
    }
    let session = verified(&by_name, "ca.pem");
    refuse_to_join(&session, &verified(&by_name, "other-ca.pem")).await;

    stop(postgres).await;
}

/// Reads the same data over both transports.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_equal_with_and_without_tls() {
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
    for mode in ["disable", "require"] {
        let source = source(&url(mode));
        let mut session = source.open_session().await.unwrap();
        session.begin(&project()).await.unwrap();
        let few = session.estimate(&filter(), 10).await.unwrap();
        let urls = session.endpoint_urls(Direction::Outbound, 10).await;
        let plan = session.plan(&filter(), true).await.unwrap();
        let (sample, is_small) = session.sample().await.unwrap();
        let created_at = sample.unwrap().created_at;
        let rows = read(&mut session, &filter(), &EndpointUrls::InRows).await;
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

async fn reload(postgres: &LocalPostgres) {
    let mut connection = PgConnection::connect(&format!("{}?sslmode=disable", postgres.url()))
        .await
        .unwrap();
    let reload = "SELECT pg_reload_conf()";
    sqlx::raw_sql(reload)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// Whether a new connection accepts the server's certificate with this root.
async fn shows(url: &str, authority: &str) -> bool {
    let root = certificate(authority);
    let verified = format!("{url}?sslmode=verify-ca&sslrootcert={}", root.display());
    connect(&verified).await.is_ok()
}

/// The services connect to every server that psql accepts with the same URL; `verify-full` stays strict.
#[tokio::test(flavor = "multi_thread")]
async fn old_and_self_signed_certificates_are_verified_as_by_libpq() {
    let Some((postgres, folder)) = own_server().await else {
        not_run("the private server is a container, whose certificate cannot be set");
        return;
    };
    let postgres = switch_tls_on(postgres, &folder).await;
    let by_name = postgres.url().replace("127.0.0.1", "localhost");
    for (server, key, root, is_for_localhost) in [
        ("v1", "leaf", "authority", true),
        ("v1-rsa", "rsa", "authority", true),
        ("self-signed", "leaf", "self-signed", true),
        ("v1-self-signed", "leaf", "v1-self-signed", true),
        ("cn-only", "leaf", "authority", true),
        ("v1-other-name", "leaf", "authority", false),
    ] {
        let file = |name: &str| format!("libpq/{name}");
        give_certificate(
            &folder,
            &file(&format!("{server}.pem")),
            &file(&format!("{key}.key")),
        );
        reload(&postgres).await;
        let root = file(&format!("{root}.pem"));
        // The processes of the server reload the certificate one after the other.
        eventually("the server uses the certificate", TIMEOUT, async || {
            shows(&by_name, &root).await.then_some(())
        })
        .await;
        let path = certificate(&root);
        for version in ["TLSv1.2", "TLSv1.3"] {
            let only =
                format!("ssl_min_protocol_version={version}&ssl_max_protocol_version={version}");
            let accepted = format!("{by_name}?sslmode=require&{only}");
            assert_eq!(connect(&accepted).await, Ok(()), "{server} {version}");
        }
        for mode in ["prefer", "require"] {
            let url = format!("{by_name}?sslmode={mode}");
            assert_eq!(connect(&url).await, Ok(()), "{server} {mode}");
            join_in_tls_of(&url, &postgres.url()).await;
        }
        let full = format!(
            "{by_name}?sslmode=verify-full&sslrootcert={}",
            path.display()
        );
        let by_full = connect(&full).await;
        assert_eq!(by_full.is_ok(), is_for_localhost, "{server}: {by_full:?}");
        for mode in ["require", "verify-ca", "verify-full"] {
            let other = certificate("other-ca.pem");
            let url = format!("{by_name}?sslmode={mode}&sslrootcert={}", other.display());
            let refused = connect(&url).await.unwrap_err();
            assert!(
                refused.contains("unknown authority"),
                "{server} {mode}: {refused}"
            );
        }
    }
    stop(postgres).await;
}

async fn join_in_tls_of(url: &str, plain: &str) {
    let session = source(url).open_session().await.unwrap();
    let mut connection = PgConnection::connect(&format!("{plain}?sslmode=disable"))
        .await
        .unwrap();
    let encrypted =
        "SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl";
    let encrypted: bool = sqlx::query_scalar(encrypted)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(encrypted, "{url}");
    drop(session);
}

/// `pg_hba.conf` allows some roles only with TLS, some only without, and some only with a client
/// certificate.
#[tokio::test(flavor = "multi_thread")]
async fn sslmode_tries_every_transport_that_it_allows() {
    let Some((postgres, folder)) = own_server().await else {
        not_run("the private server is a container, whose certificate cannot be set");
        return;
    };
    let data = folder.join("data");
    std::fs::copy(certificate("libpq/authority.pem"), data.join("clients.pem")).unwrap();
    std::fs::set_permissions(data.join("clients.pem"), Permissions::from_mode(0o644)).unwrap();
    let hba = data.join("pg_hba.conf");
    let others = std::fs::read_to_string(&hba).unwrap();
    let own = "hostssl all only_tls 127.0.0.1/32 trust\nhostnossl all only_tls 127.0.0.1/32 reject\n\
               hostnossl all only_plain 127.0.0.1/32 trust\nhostssl all only_plain 127.0.0.1/32 reject\n\
               hostssl all tests_client 127.0.0.1/32 cert\nhostnossl all tests_client 127.0.0.1/32 reject\n";
    std::fs::write(&hba, own.to_owned() + &others).unwrap();
    let mut admin = PgConnection::connect(&postgres.url()).await.unwrap();
    for statement in [
        "CREATE ROLE only_tls LOGIN; CREATE ROLE only_plain LOGIN; CREATE ROLE tests_client LOGIN",
        "ALTER SYSTEM SET ssl_ca_file = 'clients.pem'",
    ] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    let postgres = switch_tls_on(postgres, &folder).await;
    let url = |user: &str, parameters: &str| {
        format!(
            "postgres://{user}@localhost:{}/postgres?{parameters}",
            postgres.port()
        )
    };
    for (user, mode, is_let_in) in [
        ("only_tls", "disable", false),
        ("only_tls", "allow", true),
        ("only_tls", "prefer", true),
        ("only_tls", "require", true),
        ("only_plain", "disable", true),
        ("only_plain", "allow", true),
        ("only_plain", "prefer", true),
        ("only_plain", "require", false),
        ("tests_client", "require", false),
    ] {
        let connected = connect(&url(user, &format!("sslmode={mode}"))).await;
        assert_eq!(connected.is_ok(), is_let_in, "{user} {mode}: {connected:?}");
        if let Err(refused) = connected {
            assert!(
                refused.contains("pg_hba") || refused.contains("certificate"),
                "{refused}"
            );
        }
    }
    let (pem, key) = (
        certificate("libpq/client.pem"),
        certificate("libpq/client.key"),
    );
    let shown = format!(
        "sslmode=require&sslcert={}&sslkey={}",
        pem.display(),
        key.display()
    );
    assert_eq!(connect(&url("tests_client", &shown)).await, Ok(()));
    let no_key = format!("sslmode=require&sslcert={0}&sslkey={0}", pem.display());
    let refused = connect(&url("tests_client", &no_key)).await.unwrap_err();
    assert!(refused.contains("no private key"), "{refused}");

    // SCRAM uses channel binding, and it can be required.
    let bound = |mode: &str| {
        let by_name = postgres.url().replace("127.0.0.1", "localhost");
        format!("{by_name}?sslmode={mode}&channel_binding=require")
    };
    assert_eq!(connect(&bound("require")).await, Ok(()));
    let refused = connect(&bound("disable")).await.unwrap_err();
    assert!(refused.contains("channel_binding=require"), "{refused}");
    stop(postgres).await;
}
