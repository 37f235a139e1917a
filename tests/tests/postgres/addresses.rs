//! Database URLs: pool, listener and source connect with each, or fail with a one-line reason.

use std::error::Error;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use exports_database::Database;
use exports_postgres::{ConnectedServer, PoolPurpose};
use exports_sandbox::Shutdown;
use exports_source::Source;
use exports_tests::{Proxy, TIMEOUT, eventually, not_run};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::support::{own_server, stop};

const USER: &str = "odd user@x";
const PASSWORD: &str = "p@ss:/?#%&=+ 'ä";

fn line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        line = format!("{line}: {deeper}");
        cause = deeper.source();
    }
    line
}

/// Connects everything that uses a database URL.
async fn reach(url: &str) -> Result<ConnectedServer, String> {
    let database = Database::new(url, PoolPurpose::Command).map_err(|e| line(&e))?;
    let reached = database.check().await.map_err(|e| line(&e))?;
    let source = Source::at(url, &database, PoolPurpose::Command).map_err(|e| line(&e))?;
    assert_eq!(source.check().await.map_err(|e| line(&e))?, reached);
    database.ping().await.map_err(|e| line(&e))?;
    database.migration_state().await.map_err(|e| line(&e))?;
    database.listen().await.map_err(|e| line(&e))?;
    source.open_session().await.map_err(|e| line(&e))?;
    // The pool also connects without a check.
    let unchecked = Database::new(url, PoolPurpose::Command).map_err(|e| line(&e))?;
    unchecked.ping().await.map_err(|e| line(&e))?;
    database.close().await;
    Ok(reached)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A folder that the server can write to. It is below `/tmp` because the path of a socket must be short.
fn socket_folder(data: &Path) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("ex")
        .tempdir_in("/tmp")
        .unwrap();
    let owner = data.metadata().unwrap();
    chown(folder.path(), Some(owner.uid()), Some(owner.gid())).unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn every_database_url_connects_or_fails_with_a_one_line_reason() {
    let Some((postgres, folder)) = own_server().await else {
        not_run("the private server is a container, whose sockets cannot be set");
        return;
    };
    let sockets = socket_folder(&folder.join("data"));
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let listen = if has_ipv6 {
        "127.0.0.1,::1"
    } else {
        "127.0.0.1"
    };
    let mut admin = PgConnection::connect(&postgres.url()).await.unwrap();
    for statement in [
        format!("ALTER SYSTEM SET listen_addresses = '{listen}'"),
        format!(
            "ALTER SYSTEM SET unix_socket_directories = '{}'",
            sockets.path().display()
        ),
        format!(
            "CREATE ROLE \"{USER}\" SUPERUSER LOGIN PASSWORD '{}'",
            PASSWORD.replace('\'', "''")
        ),
        format!("CREATE DATABASE \"{USER}\""),
        "CREATE DATABASE \"odd name\"".to_owned(),
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    admin.close().await.unwrap();
    let postgres = spawn_blocking(move || {
        postgres.restart(Shutdown::Fast).unwrap();
        postgres
    });
    let postgres = postgres.await.unwrap();

    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let (user, password) = (encoded(USER), encoded(PASSWORD));
    let port = postgres.port();
    let socket = sockets.path().display().to_string();
    let escaped = PASSWORD.replace(':', "\\:");
    let passfile = write("passfile", &format!("*:{port}:*:{USER}:{escaped}\n"), 0o600);
    let open_passfile = write("open", &format!("*:*:*:*:{escaped}\n"), 0o644);
    let service = write(
        "service",
        &format!(
            "[ours]\nhost=127.0.0.1\nport={port}\nuser={USER}\npassword={PASSWORD}\ndbname=postgres\n"
        ),
        0o600,
    );
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let at = format!("{user}:{password}@127.0.0.1:{port}");
    let good = [
        format!("postgres://{at}/postgres"),
        format!("postgresql://{at}/postgres"),
        format!("postgres://{at}"),
        format!("postgres://{at}/odd%20name"),
        format!("postgres://{at}/postgres?sslmode=disable"),
        format!("postgres://{at}/postgres?sslmode=allow"),
        format!("postgres://{user}:{password}@localhost:{port}/postgres"),
        format!("postgres://{user}:{password}@/postgres?host={socket}&port={port}"),
        format!(
            "postgres://{user}:{password}@{}:{port}/postgres",
            encoded(&socket)
        ),
        format!("postgres:///postgres?host={socket}&port={port}&user={user}&password={password}"),
        format!("postgres://{user}:{password}@/postgres?host={socket}&port={port}&sslmode=require"),
        format!("postgres://{user}:{password}@127.0.0.1:{closed},127.0.0.1:{port}/postgres"),
        format!("postgres://{user}:{password}@127.0.0.1,127.0.0.1/postgres?port={closed},{port}"),
        format!(
            "postgres://{user}:{password}@127.0.0.1:{port},nowhere.invalid/postgres?target_session_attrs=read-write"
        ),
        format!(
            "postgres://{user}:{password}@nowhere.invalid,127.0.0.1:{port}/postgres?target_session_attrs=primary&connect_timeout=3"
        ),
        format!("postgres://{at}/postgres?target_session_attrs=prefer-standby"),
        format!("postgres://{at},127.0.0.1:{port}/postgres?load_balance_hosts=random"),
        format!("postgres://{user}:{password}@never.invalid:{port}/postgres?hostaddr=127.0.0.1"),
        format!("postgres://{user}@127.0.0.1:{port}/postgres?passfile={passfile}"),
        format!(
            "postgres://{user}@127.0.0.1:{closed},127.0.0.1:{port}/postgres?passfile={passfile}"
        ),
        format!("postgres://?service=ours&servicefile={service}"),
        format!(
            "postgres://{at}/postgres?options=-c%20statement_timeout%3D5s%20-c%20search_path%3Dpg_catalog"
        ),
        format!("postgres://{at}/postgres?options[search_path]=public"),
        format!(
            "postgres://{at}/postgres?application_name=a%20b&connect_timeout=2&keepalives=1&gssencmode=prefer"
        ),
        format!("postgres://{at}/postgres?channel_binding=prefer&require_auth=scram-sha-256"),
        format!("postgres://{at}/postgres?statement-cache-capacity=0"),
        format!(
            "host=127.0.0.1 port={port} dbname=postgres user='{USER}' password='{}'",
            PASSWORD.replace('\'', "\\'")
        ),
    ];
    for url in &good {
        let reached = reach(url)
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(
            reached.server.contains(&port.to_string()),
            "{url}: {reached:?}"
        );
        assert!(!reached.tls && !reached.pooler, "{url}: {reached:?}");
    }
    if has_ipv6 {
        for parameters in ["", "?target_session_attrs=any", "?sslmode=allow"] {
            let url = format!("postgres://{user}:{password}@[::1]:{port}/postgres{parameters}");
            let reached = reach(&url)
                .await
                .unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(reached.server, format!("[::1]:{port}"));
        }
    } else {
        not_run("addresses in brackets: this machine has no IPv6");
    }
    for (url, reason) in [
        (
            format!("postgres://{at}/missing"),
            "\"missing\" does not exist",
        ),
        (
            format!("postgres://{user}:wrong@127.0.0.1:{port}/postgres"),
            "password authentication failed",
        ),
        (
            format!("postgres://{user}:wrong@127.0.0.1:{port},127.0.0.1:{closed}/postgres"),
            "password authentication failed",
        ),
        (
            format!("postgres://{user}@127.0.0.1:{port}/postgres?passfile={open_passfile}"),
            "set its mode to 0600",
        ),
        (
            format!("postgres://{user}:{password}@127.0.0.1:{closed}/postgres"),
            "127.0.0.1:",
        ),
        (
            format!("postgres://{user}:{password}@127.0.0.1:{closed},nowhere.invalid/postgres"),
            "; cannot connect to nowhere.invalid:5432: ",
        ),
        (
            format!("postgres://{at}/postgres?target_session_attrs=standby"),
            "the server is not a standby",
        ),
        (
            format!("postgres://{at}/postgres?target_session_attrs=read-only"),
            "the session is not read-only",
        ),
        (
            format!("postgres://{at}/postgres?sslmode=require"),
            "does not support TLS",
        ),
        (
            format!("postgres://{at}/postgres?require_auth=md5"),
            "require_auth does not allow",
        ),
        (
            format!("postgres://{at}/postgres?channel_binding=require"),
            "channel_binding=require",
        ),
        (
            format!("postgres://{user}:{password}@/postgres?host={socket}&port={closed}"),
            "the socket does not exist",
        ),
        (
            format!("postgres://{at}/postgres?options=-c%20nothing%3D1"),
            "\"nothing\"",
        ),
        (
            format!("postgres://{at}/postgres?sslmod=require"),
            "\"sslmod\" is not a parameter",
        ),
    ] {
        let refused = reach(&url).await.unwrap_err();
        assert!(refused.contains(reason), "{url}: {refused}");
        assert!(
            !refused.contains(PASSWORD) && !refused.contains(&password),
            "{refused}"
        );
        assert!(!refused.contains('\n'), "{refused}");
    }
    stop(postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn target_session_attrs_chooses_among_several_hosts() {
    let Some((primary, _)) = own_server().await else {
        not_run("the private server is a container, of which no replica can be made");
        return;
    };
    let (primary, standby) = spawn_blocking(move || {
        let standby = primary.standby().unwrap();
        (primary, standby)
    })
    .await
    .unwrap();
    let own = url::Url::parse(&primary.url()).unwrap();
    let (user, password) = (own.username(), own.password().unwrap());
    let both = format!(
        "postgres://{user}:{password}@127.0.0.1:{},127.0.0.1:{}/postgres",
        standby.port(),
        primary.port()
    );
    let control = Database::new(&primary.url(), PoolPurpose::Command).unwrap();
    // By default the service's database must be writable, so the primary is chosen.
    let database = Database::new(&both, PoolPurpose::Command).unwrap();
    let reached = database.check().await.unwrap();
    assert_eq!(reached.server, format!("127.0.0.1:{}", primary.port()));
    database.ping().await.unwrap();
    for (wanted, chosen) in [
        ("any", &standby),
        ("read-write", &primary),
        ("primary", &primary),
        ("standby", &standby),
        ("read-only", &standby),
        ("prefer-standby", &standby),
    ] {
        let url = format!("{both}?target_session_attrs={wanted}");
        let source = Source::at(&url, &control, PoolPurpose::Command).unwrap();
        let reached = source.check().await.unwrap();
        source.server_info().await.unwrap();
        source.open_session().await.unwrap();
        assert_eq!(
            reached.server,
            format!("127.0.0.1:{}", chosen.port()),
            "{wanted}"
        );
    }

    let standby_port = standby.port();
    // After the standby stops, new connections go to the primary.
    let source = Source::at(&both, &control, PoolPurpose::Command).unwrap();
    source.check().await.unwrap();
    source.server_info().await.unwrap();
    let standby = spawn_blocking(move || {
        standby.stop_server(Shutdown::Immediate).unwrap();
        standby
    })
    .await
    .unwrap();
    let reached = source.check().await.unwrap();
    assert_eq!(reached.server, format!("127.0.0.1:{}", primary.port()));
    source.server_info().await.unwrap();
    stop(standby).await;

    // When both servers are stopped, the error names each.
    let primary = spawn_blocking(move || {
        primary.stop_server(Shutdown::Immediate).unwrap();
        primary
    })
    .await
    .unwrap();
    let refused = line(&database.check().await.unwrap_err());
    for port in [standby_port, primary.port()] {
        let reason = format!("127.0.0.1:{port}: connection refused");
        assert!(refused.contains(&reason), "{refused}");
    }
    assert!(database.ping().await.unwrap_err().is_transient());
    stop(primary).await;
}

/// Connections that sqlx cannot make itself go through the gateway. A lost one is detected and replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_behind_the_gateway_is_replaced() {
    let database = crate::support::database().await;
    let proxy = Proxy::to_postgres(database.url()).await;
    let own = proxy.url(database.url());
    let separator = if own.contains('?') { '&' } else { '?' };
    let url = format!("{own}{separator}sslmode=allow&target_session_attrs=read-write");
    let storage = Database::new(&url, PoolPurpose::Api).unwrap();
    storage.check().await.unwrap();
    storage.ping().await.unwrap();
    let mut listener = storage.listen().await.unwrap();
    proxy.cut();
    let heard = timeout(TIMEOUT, listener.notified())
        .await
        .expect("the listener ends");
    assert!(heard.unwrap_err().is_transient());
    storage.ping().await.unwrap();
    // A dropped session ends on the server, too.
    drop(listener);
    storage.close().await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    eventually("the sessions have ended", TIMEOUT, async || {
        (database.value(sessions).await == 0).then_some(())
    })
    .await;
}
