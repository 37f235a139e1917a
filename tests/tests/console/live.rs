//! Exports that run while the page is open: progress, cancel, and a stream that breaks.

use std::time::Duration;

use exports_tests::{Fixture, Message, TIMEOUT, eventually};
use reqwest::Method;

use crate::console::Console;

/// Enough rows for an export that takes some seconds over a slow connection.
const MANY: u32 = 200_000;

/// A console with many messages, and no worker.
pub(crate) async fn with_many_messages() -> Option<Console> {
    let console = Console::start(Fixture::builder().workers(0)).await?;
    let pool = console.fixture.database().pool();
    let project = console.fixture.project();
    Message::insert_many(pool, project, "2025-12-01T00:00:00Z", MANY).await;
    console.fixture.database().execute("ANALYZE messages").await;
    Some(console)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_and_the_detail_follow_an_export_that_runs() {
    let Some(console) = with_many_messages().await else {
        return;
    };
    let browser = &console.browser;
    console.wait_until_live().await;
    let id = console.create("slow one").await;
    let row = format!("tr[data-id='{id}']");
    let _ = browser.wait_for_text(&row, "Next in the queue").await;

    let (_worker, source) = console.fixture.worker_behind_a_proxy(&[]).await;
    source.slow_down(Duration::from_millis(40));
    let _ = browser.wait_for_text(&row, "running").await;
    let _ = browser.wait_for(&format!("{row} progress[value]")).await;
    let shown = "return document.querySelector('tbody progress').value";
    let first = browser.run(shown).await.as_f64().unwrap();
    eventually("the progress grows", TIMEOUT, async || {
        (browser.run(shown).await.as_f64()? > first).then_some(())
    })
    .await;

    browser.click(&format!("{row} a")).await;
    let _ = browser.wait_for_text("h1", "slow one").await;
    let _ = browser.wait_for_text(".timeline", "rows so far").await;
    let _ = browser
        .wait_for_text(".timeline [data-state=now]", "Reading")
        .await;
    let _ = browser.wait_for(".chart .line").await;
    let _ = browser.wait_for_text(".rates", "now ").await;
    assert!(!browser.is_visible("[data-action=delete]").await);

    // The question first: the answer no changes nothing.
    browser.click("[data-action=cancel]").await;
    browser.click("dialog [data-answer=no]").await;
    browser.wait_until_gone("dialog").await;
    let _ = browser.wait_for_text(".badge", "running").await;
    source.hold();
    browser.click("[data-action=cancel]").await;
    browser.click("dialog [data-answer=yes]").await;
    let _ = browser.wait_for_text(".badge", "canceled").await;
    let why = browser.wait_for_text(".notice", "CANCELED").await;
    assert!(why.contains("Retry it"), "{why}");
    source.restore();

    browser.click("[data-action=retry]").await;
    let _ = browser.wait_for_text(".facts", &id).await;
    assert!(!browser.url().await.ends_with(&id));
    let _ = browser.wait_for_text(".badge", "ready").await;
    let _ = browser.wait_for_text(".timeline", "205,000 rows in").await;
    let _ = browser.wait_for_text(".rates", "average").await;
    console.finish(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stream_the_page_reads_again_until_there_is_one() {
    let builder = Fixture::builder().api_env("EXPORTS_MAX_STREAMS_PER_PROJECT", "1");
    let Some(console) = Console::signed_out(builder).await else {
        return;
    };
    // The only stream that the project may have.
    let api = console.fixture.api();
    let taken = api.request(Method::GET, "/v1/exports/events");
    let taken = taken.send().await.unwrap();
    assert_eq!(taken.status(), 200);
    console.sign_in(console.fixture.key()).await;
    let browser = &console.browser;
    let _ = browser.wait_for("#live[data-state=polling]").await;
    let id = console.create("without a stream").await;
    let _ = browser
        .wait_for_text(&format!("tr[data-id='{id}']"), "ready")
        .await;
    assert!(browser.is_visible("#live[data-state=polling]").await);
    drop(taken);
    console.wait_until_live().await;
    console.finish(&[429]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_is_shown_and_the_page_stays() {
    let Some(mut console) = Console::start(Fixture::builder()).await else {
        return;
    };
    console.wait_until_live().await;
    console.fixture.api_process().terminate();
    let _ = console.browser.wait_for_text("#live", "Reconnecting").await;
    let _ = console
        .browser
        .wait_for_text("[role=alert]", "cannot be reached")
        .await;
    let complaints = console.browser.complaints().await;
    assert!(
        complaints.iter().all(|it| it.contains("net::ERR_")),
        "{complaints:?}"
    );
    console.browser.quit().await;
}
