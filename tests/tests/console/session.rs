//! Signing in and out.

use exports_database::NewKey;
use exports_domain::Scope;
use exports_tests::Fixture;

use crate::console::Console;

#[tokio::test(flavor = "multi_thread")]
async fn only_a_valid_key_opens_the_console_and_nothing_stores_it() {
    let Some(console) = Console::signed_out(Fixture::builder()).await else {
        return;
    };
    let browser = &console.browser;
    assert!(!browser.is_visible("nav").await);

    browser.fill("#key", "exk_short").await;
    browser.click("button[type=submit]").await;
    let _ = browser
        .wait_for_text("[role=alert]", "64 hexadecimal digits")
        .await;

    browser
        .fill("#key", &format!("exk_{}", "0".repeat(64)))
        .await;
    browser.click("button[type=submit]").await;
    let refused = browser
        .wait_for_text("[role=alert]", "does not accept this key")
        .await;
    assert!(refused.contains("Request id: req_"), "{refused}");
    assert!(!browser.is_visible("nav").await);

    console.sign_in(console.fixture.key()).await;
    let _ = browser.wait_for_text("h1", "Exports").await;
    assert_eq!(console.announced().await, "Signed in");
    console.wait_until_live().await;
    let stored = "return [localStorage.length, sessionStorage.length, document.cookie].join()";
    assert_eq!(browser.run(stored).await, "0,0,");

    browser.click("#sign-out").await;
    let _ = browser.wait_for("#key").await;
    let value = "return document.querySelector('#key').value";
    assert_eq!(browser.run(value).await, "");

    console.sign_in(console.fixture.key()).await;
    browser.reload().await;
    let _ = browser.wait_for("#key").await;
    console.finish(&[401]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_revoked_ends_the_session_with_the_reason() {
    let Some(console) = Console::start(Fixture::builder()).await else {
        return;
    };
    console.wait_until_live().await;
    let revoke = "UPDATE api_keys SET revoked_at = clock_timestamp()";
    console.fixture.database().execute(revoke).await;
    let browser = &console.browser;
    let _ = browser
        .wait_for_text("[role=alert]", "no longer valid")
        .await;
    let _ = browser.wait_for("#key").await;
    console.finish(&[401]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_key_gets_a_clear_message_for_what_it_may_not_do() {
    let Some(console) = Console::signed_out(Fixture::builder()).await else {
        return;
    };
    let key = NewKey {
        project: console.fixture.project_id(),
        label: None,
        scope: Scope::Read,
        valid_for: None,
    };
    let key = console.fixture.storage().issue_key(&key).await;
    console.sign_in(&key.unwrap().unwrap().secret).await;
    console.open("#/new", "New export").await;
    let browser = &console.browser;
    let _ = browser.wait_for_text(".estimate", "No messages").await;
    browser.click("[data-action=create]").await;
    let refused = browser.wait_for_text(".card [role=alert]", "write").await;
    assert!(refused.contains("Request id: req_"), "{refused}");
    assert!(refused.contains("scope write"), "{refused}");
    console.finish(&[403]).await;
}
