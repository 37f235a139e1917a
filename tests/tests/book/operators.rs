//! The operator's pages, one after the other on one installation: install, upgrade, restore, operate.

use exports_tests::{RunningStore, StoreKind, not_run, private_server};
use url::Url;

use crate::own_tables::free_port;
use crate::script::{Given, steps_of};
use crate::session::{Session, has};

/// In this order.
pub(crate) const PAGES: [&str; 6] = [
    "docs/how-to/install.md",
    "docs/how-to/upgrade.md",
    "docs/how-to/backup.md",
    "docs/operating.md",
    "docs/limits.md",
    "deploy/RUNBOOK.md",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_made_upgraded_and_restored() {
    if !has(&["curl", "jq", "openssl", "psql", "createdb", "pg_dump"]) {
        return;
    }
    let Some(server) = private_server().await else {
        not_run(
            "TEST_DATABASE_URL is set: the roles of an installation are not created in that server",
        );
        return;
    };
    let url: Url = server.url().parse().expect("a URL");
    let store = RunningStore::start(StoreKind::S3);
    let mut session = Session::new();
    session.env("BOOK_SQL_URL", server.url_for("exports"));
    let mut given = Given::default();
    given.set("PGHOST", url.host_str().expect("a host"));
    given.set("PGPORT", url.port().expect("a port").to_string());
    given.set("PGUSER", url.username());
    given.set("PGPASSWORD", url.password().unwrap_or_default());
    let port = free_port();
    given.set("EXPORTS_LISTEN", format!("127.0.0.1:{port}"));
    given.set("EXPORTS_PUBLIC_URL", format!("http://127.0.0.1:{port}"));
    for (name, value) in store.environment() {
        given.set(&name, value);
    }
    session.run(&steps_of(&PAGES, &given)).await;
}
