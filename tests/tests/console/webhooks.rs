//! Webhooks: create, test, deliveries, enable, rotate, delete.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use exports_tests::Fixture;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::console::Console;

/// A server that answers 204; the drop of the task ends it.
pub(crate) async fn receiver() -> (String, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let answers = Router::new().fallback(any(async || StatusCode::NO_CONTENT));
    let serving = tokio::spawn(async move { axum::serve(listener, answers).await });
    (url, serving.abort_handle())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_from_its_creation_to_its_deletion() {
    let Some(console) = Console::start(Fixture::builder()).await else {
        return;
    };
    let (browser, fixture) = (&console.browser, &console.fixture);
    let (url, serving) = receiver().await;
    browser.click("nav a[href='#/webhooks']").await;
    let _ = browser
        .wait_for_text(".empty", "There are no webhooks yet")
        .await;

    browser.fill("#url", "http://192.0.2.1/").await;
    browser.click("[data-action=create-webhook]").await;
    let refused = browser.wait_for_text("[role=alert]", "url").await;
    assert!(refused.contains("Request id"), "{refused}");
    browser.fill("#url", &url).await;
    browser.click("[value='export.expired']").await;
    browser.click("[data-action=create-webhook]").await;
    let secret = browser.wait_for_text(".secret", "whsec_").await;
    assert!(secret.contains(&url), "{secret}");
    browser.click("[data-action=copy-secret]").await;
    let _ = browser
        .wait_for_text("[data-action=copy-secret]", "Copied")
        .await;
    let card = browser.wait_for_text(".webhook", "enabled").await;
    assert!(card.contains("export.expired"), "{card}");
    browser.click("[data-action=stored]").await;
    browser.wait_until_gone(".secret").await;

    browser.click("[data-action=test]").await;
    let _ = browser.wait_for_text(".webhook .good", "on its way").await;
    browser.click("[data-action=deliveries]").await;
    let _ = browser.wait_for_text("h1", "Deliveries").await;
    let row = browser.wait_for_text("tbody tr", "delivered").await;
    assert!(
        row.contains("export.test") && row.contains("HTTP 204"),
        "{row}"
    );
    // The view is as live as the deliveries are.
    let id = console.create("for the webhook").await;
    let _ = browser.wait_for_text("tbody tr", "export.completed").await;
    browser.click("[data-action=test]").await;
    let _ = browser.wait_for("tbody tr:nth-child(3)").await;
    browser.click("[data-action=reload]").await;
    browser.click("tbody tr a").await;
    let _ = browser.wait_for_text(".id", &id).await;

    let disable = "UPDATE webhooks SET status = 'disabled', disabled_reason = 'gone'";
    fixture.database().execute(disable).await;
    console.open("#/webhooks", "Webhooks").await;
    let _ = browser
        .wait_for_text(".webhook .notice", "No events are sent")
        .await;
    browser.click("[data-action=enable]").await;
    let _ = browser.wait_for_text(".webhook .badge", "enabled").await;

    browser.click("[data-action=rotate]").await;
    browser.click("dialog [data-answer=no]").await;
    browser.click("[data-action=rotate]").await;
    browser.click("dialog [data-answer=yes]").await;
    let rotated = browser.wait_for_text(".secret", "whsec_").await;
    assert_ne!(rotated, secret);

    browser.click(".webhook [data-action=delete]").await;
    browser.click("dialog [data-answer=no]").await;
    browser.click(".webhook [data-action=delete]").await;
    browser.click("dialog [data-answer=yes]").await;
    let _ = browser
        .wait_for_text(".empty", "There are no webhooks yet")
        .await;
    let left = fixture.api().get("/v1/export-webhooks").await.data();
    assert_eq!(left.as_array().unwrap().len(), 0);
    serving.abort();
    console.finish(&[400]).await;
}
