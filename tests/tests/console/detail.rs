//! One export: files, links, the manifest, delete, and exports that ended in other ways.

use exports_domain::ExportStatus;
use exports_tests::{ExportRow, Fixture, StoreKind, TIMEOUT, eventually};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::console::Console;

/// What a person would paste.
async fn clipboard(browser: &Browser) -> String {
    let origin = browser.run("return location.origin").await;
    let permissions = json!({"permissions": ["clipboardReadWrite"], "origin": origin});
    let _ = browser
        .command("Browser.grantPermissions", permissions)
        .await;
    let text = browser
        .run_async("return navigator.clipboard.readText()")
        .await;
    text.as_str().unwrap().to_owned()
}

async fn downloaded(browser: &Browser, name: &str) -> Vec<u8> {
    let path = browser.downloads().join(name);
    eventually(&format!("{name} is downloaded"), TIMEOUT, async || {
        // Chromium reserves the name with an empty file, and replaces it when the file is complete.
        let content = std::fs::read(&path).ok()?;
        (!content.is_empty()).then_some(content)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_downloaded_its_link_copied_and_the_export_deleted() {
    let Some(console) = Console::start(Fixture::builder()).await else {
        return;
    };
    let (browser, fixture) = (&console.browser, &console.fixture);
    let id = console.create("to download").await;
    let _ = fixture.wait_until(&id, "completed").await;
    console
        .open(&format!("#/exports/{id}"), "to download")
        .await;
    let _ = browser.wait_for_text(".timeline", "Download until").await;
    let expected = fixture.download(&id).await.body;

    browser.click("[data-action=download]").await;
    let file = downloaded(browser, &format!("export-{id}.csv")).await;
    assert!(file == expected, "{} bytes", file.len());

    browser.click("[data-action=link]").await;
    eventually("the link is copied", TIMEOUT, async || {
        console
            .announced()
            .await
            .starts_with("Link, valid until")
            .then_some(())
    })
    .await;
    let link = clipboard(browser).await;
    let linked = fixture.api().without_key().get(&link).await.expect(200);
    assert!(linked.body == expected);

    browser.click("[data-action=manifest]").await;
    let manifest = downloaded(browser, &format!("manifest-{id}.json")).await;
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["export"]["id"], id);

    browser.click(".id button").await;
    eventually("the id is copied", TIMEOUT, async || {
        (console.announced().await == "Id copied").then_some(())
    })
    .await;
    assert_eq!(clipboard(browser).await, id);

    browser.click("[data-action=delete]").await;
    browser.click("dialog [data-answer=no]").await;
    browser.wait_until_gone("dialog").await;
    let focused = "return document.activeElement.dataset.action";
    assert_eq!(browser.run(focused).await, "delete");
    browser.click("[data-action=delete]").await;
    browser.click("dialog [data-answer=yes]").await;
    let _ = browser.wait_for_text("h1", "Exports").await;
    let gone = fixture.api().get(&format!("/v1/exports/{id}")).await;
    assert_eq!(gone.status, 404);
    console.finish(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_of_a_split_export_has_its_buttons() {
    // The files come from another origin than the page.
    let builder = Fixture::builder().store(StoreKind::S3);
    let Some(console) = Console::start(builder).await else {
        return;
    };
    let (browser, fixture) = (&console.browser, &console.fixture);
    console.wait_until_live().await;
    let request = json!({
        "start_time": "2025-12-01T00:00:00Z",
        "end_time": "2025-12-02T00:00:00Z",
        "max_rows_per_file": 2000,
    });
    let id = fixture.create_export(request).await;
    let id = id["id"].as_str().unwrap();
    console
        .open(&format!("#/exports/{id}"), "Outbound export")
        .await;
    let _ = browser
        .wait_for_text("section[aria-label=Files] h2", "3 files")
        .await;
    assert!(!browser.is_visible("[data-action=download]").await);

    browser
        .click("[data-action=download-file][data-file='3']")
        .await;
    let last = downloaded(browser, &format!("export-{id}-0003.csv")).await;
    let last = String::from_utf8(last).unwrap();
    assert_eq!(last.lines().count(), 1001);
    browser
        .click("[data-action=link-file][data-file='1']")
        .await;
    eventually("the link is copied", TIMEOUT, async || {
        console
            .announced()
            .await
            .starts_with("Link, valid until")
            .then_some(())
    })
    .await;
    let link = clipboard(browser).await;
    let _ = fixture.api().without_key().get(&link).await.expect(200);
    console.finish(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_that_failed_or_expired_say_why_and_what_helps() {
    let Some(console) = Console::start(Fixture::builder().workers(0)).await else {
        return;
    };
    let (browser, fixture) = (&console.browser, &console.fixture);
    let pool = fixture.database().pool();
    let failed = ExportRow::of(fixture.project(), ExportStatus::Failed)
        .with("error_code", "FILE_TOO_LARGE")
        .with("error_message", "<b>The file</b> would be too large.")
        .with("attempt", 3)
        .insert(pool)
        .await;
    console
        .open(&format!("#/exports/{failed}"), "Outbound export")
        .await;
    let why = browser.wait_for_text(".notice", "FILE_TOO_LARGE").await;
    // As text, not as markup.
    assert!(why.contains("<b>The file</b> would be too large."), "{why}");
    assert!(why.contains("shorter time range"), "{why}");
    let _ = browser
        .wait_for_text(".timeline [data-state=failed]", "Reading")
        .await;
    let _ = browser.wait_for_text(".facts", "Attempts\n3").await;

    let expired = ExportRow::of(fixture.project(), ExportStatus::Expired);
    let expired = expired.insert(pool).await;
    console
        .open(&format!("#/exports/{expired}"), "Outbound export")
        .await;
    let _ = browser
        .wait_for_text(".notice", "The file has been removed")
        .await;
    browser.click("[data-action=retry]").await;
    let _ = browser.wait_for_text(".facts", &expired.to_string()).await;
    let _ = browser.wait_for_text(".progress", "in the queue").await;

    let unknown = "01935abc-def0-7123-4567-890abcdef012";
    console
        .open(&format!("#/exports/{unknown}"), "could not be loaded")
        .await;
    let _ = browser
        .wait_for_text("[role=alert]", "belongs to another project")
        .await;
    console.open("#/nothing", "There is no such view").await;
    console.finish(&[404]).await;
}
