//! Connections that the server refuses: every kind of connection reports that the database is
//! unavailable, in the words of the server.

use exports_database::Database;
use exports_domain::{ExportId, error_line};
use exports_postgres::{Error, Observer, PoolPurpose};
use exports_tests::TestDatabase;
use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::{Arc, Mutex};

use crate::support::{database, own_server, project, stop};

const PURPOSE: PoolPurpose = PoolPurpose::Api;

/// The URL with two hosts, which sqlx reaches only through our gateway.
fn through_the_gateway(url: &str) -> String {
    let (before, host) = url.rsplit_once('@').unwrap();
    let (host, rest) = host.split_once('/').unwrap();
    format!("{before}@{host},{host}/{rest}")
}

/// What the observer of a pool was told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn available(&self) {}

    fn unavailable(&self, reason: &Error) {
        self.0.lock().unwrap().push(error_line(reason));
    }
}

/// Each kind of connection must be refused with these words.
async fn assert_refused(url: &str, words: &[&str]) {
    let is_one_of = |line: &str| words.iter().any(|words| line.contains(words));
    for url in [url.to_owned(), through_the_gateway(url)] {
        let storage = Database::new(&url, PURPOSE).unwrap();
        let told = Arc::new(Told::default());
        storage.observe(Arc::clone(&told) as _);
        let project = project();
        // More than the pool has connections, so some wait for the others.
        let requests = (0..40).map(|_| storage.get_export(&project, ExportId(uuid::Uuid::nil())));
        for answer in join_all(requests).await {
            let error = answer.unwrap_err();
            let line = error_line(&error);
            assert!(error.is_unavailable() && error.is_transient(), "{line}");
            assert!(is_one_of(&line), "{words:?}: {line}");
        }
        let error = storage.open_wire().await.unwrap_err();
        let line = error_line(&error);
        assert!(error.is_unavailable() && error.is_transient(), "{line}");
        assert!(is_one_of(&line), "{words:?}: {line}");
        let told = told.0.lock().unwrap();
        assert!(!told.is_empty());
        for line in told.iter() {
            assert!(is_one_of(line), "{words:?}: {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_reported_in_the_words_of_the_server() {
    let database = database().await;
    let (limited, limited_url) = database.role("limited").await;
    let (changed, changed_url) = database.role("changed").await;
    database
        .execute(format!(
            "ALTER ROLE \"{limited}\" CONNECTION LIMIT 0; ALTER ROLE \"{changed}\" PASSWORD 'another'"
        ))
        .await;
    let missing = database.url_of("not_there");
    for (url, words) in [
        (&limited_url, "too many connections for role \""),
        (&changed_url, "password authentication failed for user \""),
        (&missing, "database \"not_there\" does not exist"),
    ] {
        assert_refused(url, &[words]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_is_reported_in_its_words() {
    let Some((postgres, _)) = own_server().await else {
        return;
    };
    let admin = |sql: &'static str| {
        let url = postgres.url();
        async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    };
    admin("ALTER SYSTEM SET max_connections = 10").await;
    admin("CREATE ROLE person LOGIN PASSWORD 'secret'").await;
    tokio::task::block_in_place(|| postgres.restart(exports_sandbox::Shutdown::Fast)).unwrap();
    let url = format!(
        "postgres://person:secret@127.0.0.1:{}/postgres",
        postgres.port()
    );
    let mut held = Vec::new();
    while held.len() < 7 {
        held.push(PgConnection::connect(&postgres.url()).await.unwrap());
    }
    // Connections that log in at the same moment take the reserved slots too.
    let words = [
        "remaining connection slots are reserved",
        "sorry, too many clients already",
    ];
    assert_refused(&url, &words).await;
    while let Ok(connection) = PgConnection::connect(&postgres.url()).await {
        held.push(connection);
    }
    assert_refused(&url, &words[1..]).await;
    drop(held);
    stop(postgres).await;
}

/// A role may have fewer connections than the pool. The requests then share those.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_works_with_the_connections_that_the_server_allows() {
    let database: TestDatabase = database().await;
    let (name, url) = database.role("few").await;
    database
        .execute(format!(
            "GRANT SELECT ON exports TO \"{name}\"; ALTER ROLE \"{name}\" CONNECTION LIMIT 2"
        ))
        .await;
    let storage = Database::new(&url, PURPOSE).unwrap();
    let project = project();
    for _ in 0..3 {
        let requests = (0..30).map(|_| storage.get_export(&project, ExportId(uuid::Uuid::nil())));
        for answer in join_all(requests).await {
            assert!(answer.unwrap().is_none());
        }
    }
}

/// The server may report it with a statement, and a pooler does.
#[tokio::test]
async fn a_statement_that_runs_out_of_a_resource_is_unavailable() {
    let database = database().await;
    let mut connection = database.storage().connection().await.unwrap();
    for (state, is_unavailable) in [
        ("28P01", true),
        ("53100", true),
        ("53200", true),
        ("53400", true),
        ("57000", true),
        ("3D000", true),
        ("08P01", true),
        ("57014", false),
        ("42501", false),
    ] {
        let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$");
        let raised = sqlx::raw_sql(AssertSqlSafe(raise))
            .execute(&mut connection)
            .await;
        let error = Error::from(raised.unwrap_err());
        assert_eq!(error.sql_state().as_deref(), Some(state));
        assert_eq!(error.is_unavailable(), is_unavailable, "{state}");
        assert_eq!(error.is_transient(), state != "42501", "{state}");
        if state.starts_with("08") {
            connection = database.storage().connection().await.unwrap();
        }
    }
}
