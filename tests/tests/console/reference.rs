//! The API reference: it shows all of `/openapi.json`, and needs nothing of another origin.

use exports_tests::Fixture;
use serde_json::Value;

use crate::browser::Browser;
use crate::screens::look_at;

/// A browser, and an API without a worker. None, with a message, if there is no browser.
async fn start() -> Option<(Browser, Fixture)> {
    let browser = Browser::start().await?;
    Some((browser, Fixture::builder().workers(0).start().await))
}

async fn load(browser: &Browser, fixture: &Fixture, hash: &str) {
    // Only a change of the path loads the page again.
    browser.load("about:blank").await;
    let address = format!("{}/docs{hash}", fixture.api().base());
    browser.load(&address).await;
    let _ = browser.wait_for(".opblock").await;
}

/// The operations of the document: `GET /v1/exports`.
async fn operations(fixture: &Fixture) -> Vec<String> {
    let document = fixture.api().get("/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let mut operations: Vec<_> = operations.collect();
    operations.sort();
    operations
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_shows_every_operation_and_sends_no_request_elsewhere() {
    let Some((browser, fixture)) = start().await else {
        return;
    };
    load(&browser, &fixture, "").await;
    let shown = "return [...document.querySelectorAll('.opblock')].map((it) =>
        it.querySelector('.opblock-summary-method').textContent + ' '
        + it.querySelector('[data-path]').dataset.path)";
    let shown = browser.run(shown).await;
    let shown = shown.as_array().unwrap().iter();
    let mut shown: Vec<_> = shown.map(|it| it.as_str().unwrap().to_owned()).collect();
    shown.sort();
    assert_eq!(shown, operations(&fixture).await);

    let loaded = "return performance.getEntriesByType('resource').map((it) => it.name)";
    let loaded = browser.run(loaded).await;
    let loaded = loaded.as_array().unwrap();
    let is_ours = |it: &Value| it.as_str().unwrap().starts_with(fixture.api().base());
    assert!(
        loaded.len() >= 5 && loaded.iter().all(is_ours),
        "{loaded:?}"
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_opens_its_operation() {
    let Some((browser, fixture)) = start().await else {
        return;
    };
    load(&browser, &fixture, "#/Exports/create_export").await;
    let body = browser
        .wait_for_text(".opblock-body", "Idempotency-Key")
        .await;
    assert!(!body.contains("null"), "{body}");
    assert!(!browser.is_visible(".try-out, .authorize").await);
    browser
        .click("[id=operations-Exports-get_export] button")
        .await;
    let _ = browser
        .wait_for("[id=operations-Exports-get_export] .opblock-body")
        .await;
    assert!(browser.url().await.ends_with("#/Exports/get_export"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_is_accessible_in_both_themes_and_widths() {
    let Some((browser, fixture)) = start().await else {
        return;
    };
    load(&browser, &fixture, "").await;
    look_at(&browser, "reference").await;
    load(&browser, &fixture, "#/Exports/create_export").await;
    let _ = browser.wait_for(".response").await;
    look_at(&browser, "reference-operation").await;
    let section = ".opblock-section-request-body";
    browser
        .click(&format!("{section} .tablinks[data-name=model]"))
        .await;
    let _ = browser.wait_for_text(section, "max_rows_per_file").await;
    look_at(&browser, "reference-schema").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.quit().await;
}
