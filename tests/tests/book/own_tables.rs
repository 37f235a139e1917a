//! The worked examples of own tables: each on an empty database.

use std::net::TcpListener;

use exports_tests::{RunningStore, StoreKind, TestDatabase};

use crate::script::{Given, steps_of};
use crate::session::{Session, has};

const START: &str = "exports-api 2>>api.log & exports-worker 2>>worker.log &\n\
    curl -fsS --retry 60 --retry-delay 1 --retry-connrefused \"$EXPORTS_API_URL/readyz\" >ready.json";

async fn run(page: &str) {
    if !has(&["curl", "jq", "psql"]) {
        return;
    }
    let database = TestDatabase::empty().await;
    let store = RunningStore::start(StoreKind::File);
    let mut session = Session::new();
    let port = free_port();
    session.env("DATABASE_URL", database.url());
    session.env("BOOK_SQL_URL", database.url());
    session.env("EXPORTS_LISTEN", format!("127.0.0.1:{port}"));
    session.env("EXPORTS_API_URL", format!("http://127.0.0.1:{port}"));
    session.env("EXPORTS_SIGNING_KEY", exports_tests::SIGNING_KEY);
    for (name, value) in store.environment() {
        session.env(&name, value);
    }
    let given = Given {
        start_services: START.to_owned(),
        ..Given::default()
    };
    session.run(&steps_of(&[page], &given)).await;
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_with_details_in_json_are_exported() {
    run("docs/how-to/tables-json.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitioned_messages_are_exported() {
    run("docs/how-to/tables-partitions.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_a_schema_for_each_tenant_are_exported() {
    run("docs/how-to/tables-tenants.md").await;
}
