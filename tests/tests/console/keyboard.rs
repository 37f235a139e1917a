//! The keyboard alone: from the sign-in to a canceled export.

use exports_tests::{Fixture, TIMEOUT, eventually};

use crate::browser::Browser;
use crate::console::Console;
use crate::webdriver::{ENTER, ESCAPE, SPACE, TAB};

/// Presses Tab until the focus is on what a selector finds.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..80 {
        let script = "return document.activeElement.matches(arguments[0])";
        if browser.run_with(script, selector).await == true {
            let visible = "return document.activeElement.matches(':focus-visible')";
            assert_eq!(browser.run(visible).await, true, "{selector}");
            return;
        }
        browser.press(TAB).await;
    }
    panic!("the Tab key does not reach {selector}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_done_without_a_mouse() {
    let Some(console) = Console::signed_out(Fixture::builder().workers(0)).await else {
        return;
    };
    let browser = &console.browser;
    // The field for the key has the focus already.
    browser.press(console.fixture.key()).await;
    browser.press(ENTER).await;
    let _ = browser
        .wait_for_text(".empty", "There are no exports yet")
        .await;
    let focus = "return document.activeElement.tagName";
    eventually("the heading has the focus", TIMEOUT, async || {
        (browser.run(focus).await == "H1").then_some(())
    })
    .await;

    let _ = browser.run("document.body.focus(); document.activeElement.blur(); document.getElementById('skip').focus()").await;
    browser.press(ENTER).await;
    assert_eq!(
        browser.run("return document.activeElement.id").await,
        "main"
    );

    tab_to(browser, ".title a[href='#/new']").await;
    browser.press(ENTER).await;
    let _ = browser.wait_for_text("h1", "New export").await;
    tab_to(browser, "[name=label]").await;
    browser.press("by keyboard").await;
    tab_to(browser, "summary").await;
    browser.press(ENTER).await;
    tab_to(browser, "[aria-label='Later: message_id']").await;
    browser.press(SPACE).await;
    assert_eq!(console.announced().await, "message_id is now column 2");
    tab_to(browser, "[data-action=create]").await;
    browser.press(ENTER).await;
    let _ = browser.wait_for_text("h1", "by keyboard").await;

    tab_to(browser, "[data-action=cancel]").await;
    browser.press(ENTER).await;
    let _ = browser.wait_for("dialog").await;
    // The safe answer has the focus, and Escape is a no.
    assert_eq!(
        browser
            .run("return document.activeElement.dataset.answer")
            .await,
        "no"
    );
    browser.press(ESCAPE).await;
    browser.wait_until_gone("dialog").await;
    assert_eq!(
        browser
            .run("return document.activeElement.dataset.action")
            .await,
        "cancel"
    );
    browser.press(ENTER).await;
    let _ = browser.wait_for("dialog").await;
    tab_to(browser, "[data-answer=yes]").await;
    browser.press(ENTER).await;
    let _ = browser.wait_for_text(".badge", "canceled").await;
    // The button is gone; the focus must not be lost with it.
    let focused = browser.run("return document.activeElement.tagName").await;
    assert_ne!(focused, "BODY");
    console.finish(&[]).await;
}
