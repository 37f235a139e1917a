//! The consumer's pages, on a service with example messages.

use std::path::PathBuf;

use exports_tests::{Fixture, StoreKind, not_run};

use crate::own_tables::free_port;
use crate::page::repository;
use crate::script::{Given, Output, Step, steps_of};
use crate::session::{Session, has};

async fn run(page: &str, needs_python: bool) {
    if !has(&["curl", "jq", "openssl", "python3"]) {
        return;
    }
    let python = python();
    if needs_python && python.is_none() {
        not_run(
            "the Python libraries of the book are missing, so its Python programs are not run: scripts/ensure-readers",
        );
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "they are missing"
        );
    }
    let builder = Fixture::builder()
        .store(StoreKind::S3)
        .env("EXPORTS_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8");
    let fixture = builder.start().await;
    let mut session = Session::new();
    let port = free_port();
    let mut given = Given {
        python: python.map(|path| path.display().to_string()),
        ..Given::default()
    };
    for (name, value) in [
        ("API", fixture.api().base()),
        ("EXPORTS_API_URL", fixture.api().base()),
        ("KEY", fixture.key()),
        ("EXPORTS_API_KEY", fixture.key()),
        ("WEBHOOK_URL", &format!("http://127.0.0.1:{port}/webhooks")),
        ("PORT", &port.to_string()),
    ] {
        given.set(name, value);
    }
    // As after `exportctl login`.
    session.env("EXPORTS_API_URL", fixture.api().base());
    session.env("EXPORTS_API_KEY", fixture.key());
    session.env("DATABASE_URL", fixture.database().url());
    let mut steps = vec![Step {
        place: "the example messages".to_owned(),
        shell: format!(
            "exportctl admin seed --project {} --messages 20000; unset DATABASE_URL",
            fixture.project()
        ),
        output: Output::Any,
    }];
    steps.extend(steps_of(&[page], &given));
    session.run(&steps).await;
}

/// The Python that scripts/ensure-readers installs.
fn python() -> Option<PathBuf> {
    let script = repository().join("scripts/ensure-readers");
    let printed = std::process::Command::new(script).arg("--path").output();
    let printed = printed.expect("a script").stdout;
    let path = PathBuf::from(String::from_utf8(printed).expect("UTF-8").trim());
    path.is_file().then_some(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_verifies_webhooks() {
    run("docs/how-to/webhooks.md", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_with_the_libraries_of_the_book() {
    run("docs/how-to/read-files.md", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_created_and_downloaded_in_a_terminal() {
    run("docs/exportctl.md", false).await;
}
