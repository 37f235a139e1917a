//! The list: empty, filters in the address, pages, live rows.

use exports_domain::ExportStatus;
use exports_tests::{ExportRow, Fixture, TIMEOUT, eventually};

use crate::browser::Browser;
use crate::console::Console;
use crate::webdriver::ENTER;

async fn rows(browser: &Browser) -> usize {
    let script = "return [...document.querySelectorAll('tbody tr')].filter((row) => row.checkVisibility()).length";
    usize::try_from(browser.run(script).await.as_u64().unwrap()).unwrap()
}

async fn wait_for_rows(browser: &Browser, count: usize) {
    let fact = format!("{count} rows are visible");
    eventually(&fact, TIMEOUT, async || {
        (rows(browser).await == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_explains_itself_and_new_exports_appear_without_a_reload() {
    let Some(console) = Console::start(Fixture::builder()).await else {
        return;
    };
    let browser = &console.browser;
    let _ = browser
        .wait_for_text(".empty", "There are no exports yet")
        .await;
    console.wait_until_live().await;
    let id = console.create("December").await;
    let row = format!("tr[data-id='{id}']");
    let text = browser.wait_for_text(&row, "ready").await;
    assert!(text.contains("December"), "{text}");
    assert!(text.contains("5,000 rows"), "{text}");
    let exact = browser
        .run("return document.querySelector('tbody time').title")
        .await;
    assert!(exact.as_str().unwrap().contains(" UTC"), "{exact}");

    // Deleted by somebody else.
    let _ = console
        .fixture
        .api()
        .delete(&format!("/v1/exports/{id}"))
        .await;
    let _ = browser
        .wait_for_text(".empty", "There are no exports yet")
        .await;
    console.finish(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_in_the_address_and_survive_a_reload() {
    let Some(console) = Console::start(Fixture::builder().workers(0)).await else {
        return;
    };
    let browser = &console.browser;
    let project = console.fixture.project();
    let pool = console.fixture.database().pool();
    for (status, label) in [
        (ExportStatus::Failed, "first"),
        (ExportStatus::Failed, "second"),
        (ExportStatus::Expired, "third"),
    ] {
        ExportRow::of(project, status)
            .with("label", label)
            .insert(pool)
            .await;
    }
    browser.reload().await;
    console.sign_in(console.fixture.key()).await;
    wait_for_rows(browser, 3).await;

    browser.choose("#status", "failed").await;
    wait_for_rows(browser, 2).await;
    browser.fill("#text", "sec").await;
    wait_for_rows(browser, 1).await;
    eventually("the filters are in the address", TIMEOUT, async || {
        let url = browser.url().await;
        url.ends_with("#/exports?status=failed&text=sec")
            .then_some(())
    })
    .await;

    browser.reload().await;
    console.sign_in(console.fixture.key()).await;
    wait_for_rows(browser, 1).await;
    let _ = browser.wait_for_text("tbody tr", "second").await;
    let kept = "return [document.querySelector('#status').value, document.querySelector('#text').value].join()";
    assert_eq!(browser.run(kept).await, "failed,sec");

    browser.fill("#text", "nothing like this").await;
    let _ = browser
        .wait_for_text(".empty", "Nothing on this page matches")
        .await;
    browser.choose("#status", "processing").await;
    let _ = browser
        .wait_for_text(".empty", "No export is running now")
        .await;
    console.finish(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_the_cursor_forth_and_back() {
    let Some(console) = Console::start(Fixture::builder().workers(0)).await else {
        return;
    };
    let browser = &console.browser;
    let pool = console.fixture.database().pool();
    for minutes in 0..60 {
        let row = ExportRow::of(console.fixture.project(), ExportStatus::Failed);
        let row = row.with("label", format!("number {minutes}"));
        let before = chrono::TimeDelta::minutes(120 + minutes);
        row.with_ago("created_at", before).insert(pool).await;
    }
    browser.reload().await;
    console.sign_in(console.fixture.key()).await;
    wait_for_rows(browser, 50).await;
    browser.click("[data-page=next]").await;
    wait_for_rows(browser, 10).await;
    let _ = browser.wait_for_text("tbody tr", "number 50").await;
    browser.click("[data-page=first]").await;
    wait_for_rows(browser, 50).await;

    browser.choose("#size", "25").await;
    wait_for_rows(browser, 25).await;
    browser.click("[data-page=next]").await;
    let _ = browser.wait_for_text("tbody tr", "number 25").await;
    let _ = browser.run("history.back()").await;
    let _ = browser.wait_for_text("tbody tr", "number 0").await;
    assert!(browser.url().await.ends_with("#/exports?limit=25"));

    // A whole id opens the export.
    let id = browser
        .run("return document.querySelector('tbody tr').dataset.id")
        .await;
    let id = id.as_str().unwrap();
    browser.fill("#text", id).await;
    browser.press(ENTER).await;
    let _ = browser.wait_for_text(".id", id).await;
    console.finish(&[]).await;
}
