//! A new export: every option, the estimate, the command line.

use std::process::Command;

use exports_tests::{Endpoint, Fixture, TIMEOUT, eventually, uuid};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::console::Console;
use crate::webdriver::ENTER;

/// Sets a control as a script would: the browser's own picker of times depends on its language.
async fn set(browser: &Browser, name: &str, value: &str) {
    let script = "const [name, value] = arguments[0];
        const control = document.querySelector(`[name=${name}]`);
        control.value = value;
        control.dispatchEvent(new Event('input', { bubbles: true }));
        control.dispatchEvent(new Event('change', { bubbles: true }));";
    let _ = browser.run_with(script, json!([name, value])).await;
}

async fn command_of(browser: &Browser) -> String {
    browser.text_of("aside code").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_options_reach_the_api_and_the_command_line_sends_the_same() {
    let Some(console) = Console::start(Fixture::builder()).await else {
        return;
    };
    let (browser, fixture) = (&console.browser, &console.fixture);
    let endpoints = [0, 1].map(|number| {
        Endpoint::outbound(fixture.project(), uuid(number), "https://example.com/hook")
    });
    fixture.insert_endpoints(&endpoints).await;
    browser.click("nav a[href='#/new']").await;
    let _ = browser.wait_for_text("h1", "New export").await;
    let _ = browser.wait_for_text(".estimate", "No messages").await;

    for range in ["Last hour", "Last 7 days", "Last 30 days", "Last 24 hours"] {
        browser.click(&format!("[data-range='{range}']")).await;
        assert_eq!(console.announced().await, format!("{range} is chosen"));
    }
    set(browser, "start", "2025-12-01T00:00").await;
    set(browser, "end", "2025-11-01T00:00").await;
    let _ = browser
        .wait_for_text(".estimate", "The end must be after the start")
        .await;
    browser.click("[data-action=create]").await;
    let _ = browser
        .wait_for_text("[role=alert]", "The end must be after the start")
        .await;
    set(browser, "end", "2025-12-02T00:00").await;
    let _ = browser.wait_for_text(".estimate", "5,000 rows").await;

    browser.click("[name=status][value=succeeded]").await;
    browser.click("[name=status][value=queued]").await;
    let ids = [uuid(0), uuid(1)].map(|id| format!("ep_{}", id.simple()));
    browser.fill("[name=endpoints]", &ids.join("\n")).await;
    browser.fill("[name=label]", "Anna's report").await;
    browser.choose("[name=format]", "parquet").await;
    assert!(!browser.is_visible("[name=delimiter]").await);
    browser.choose("[name=compression]", "snappy").await;
    browser.choose("[name=format]", "csv").await;
    browser.choose("[name=compression]", "gzip").await;
    browser.fill("[name=timezone]", "Europe/Berlin").await;
    browser.choose("[name=delimiter]", ";").await;
    browser.choose("[name=line_ending]", "lf").await;
    for name in ["header", "bom", "formula_guard"] {
        browser.click(&format!("[name={name}]")).await;
    }
    browser.fill("[name=max_rows]", "2000").await;
    browser.click("summary").await;
    browser.click(".columns input[value=last_error]").await;
    browser.click("[aria-label='Later: message_id']").await;
    assert_eq!(console.announced().await, "message_id is now column 2");
    browser.click("[aria-label='Earlier: status']").await;

    let expected = json!({
        "start_time": "2025-12-01T00:00:00Z",
        "end_time": "2025-12-02T00:00:00Z",
        "statuses": ["queued", "succeeded"],
        "endpoint_ids": ids,
        "label": "Anna's report",
        "compression": "gzip",
        "columns": ["endpoint_id", "message_id", "status", "endpoint", "attempt_count", "created_at",
            "delivered_at", "next_attempt_at", "response_status", "response_latency_ms"],
        "timezone": "Europe/Berlin",
        "csv": {"delimiter": ";", "line_ending": "lf", "header": false, "bom": true, "formula_guard": false},
        "max_rows_per_file": 2000,
    });
    let command = command_of(browser).await;
    assert_eq!(body_of(&command), expected);

    // A shell runs the command as it is.
    browser.click("[data-action=copy-curl]").await;
    let _ = browser
        .wait_for_text("[data-action=copy-curl]", "Copied")
        .await;
    let shell = Command::new("sh")
        .args(["-c", &command])
        .env("EXPORTS_KEY", fixture.key())
        .output();
    let shell = shell.unwrap();
    assert!(shell.status.success(), "{shell:?}");
    let created: Value = serde_json::from_slice(&shell.stdout).unwrap();
    assert_eq!(created["data"]["label"], "Anna's report");

    browser.click("[data-action=create]").await;
    let _ = browser.wait_for_text("h1", "Anna's report").await;
    let _ = browser.wait_for_text(".badge", "ready").await;
    let url = browser.url().await;
    let (_, id) = url.rsplit_once('/').unwrap();
    let export = fixture.get_export(id).await;
    for name in [
        "label",
        "compression",
        "columns",
        "timezone",
        "csv",
        "max_rows_per_file",
    ] {
        assert_eq!(export[name], expected[name], "{name}");
    }
    assert_eq!(export["filter_statuses"], expected["statuses"]);
    assert_eq!(export["row_count"], 5000);
    console.finish(&[]).await;
}

fn body_of(command: &str) -> Value {
    let (_, body) = command.split_once("-d '").unwrap();
    let body = body
        .trim_end()
        .trim_end_matches('\'')
        .replace("'\"'\"'", "'");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbound_export_has_other_columns_and_mistakes_are_named() {
    let Some(console) = Console::start(Fixture::builder()).await else {
        return;
    };
    let browser = &console.browser;
    console.open("#/new", "New export").await;
    browser.click("[value=inbound]").await;
    browser.click("[name=status][value=delivering]").await;
    browser.choose("[name=format]", "jsonl").await;
    browser.click("summary").await;
    browser
        .click(".columns input[value=total_delivery_ms]")
        .await;
    let body = body_of(&command_of(browser).await);
    assert_eq!(body["direction"], "inbound");
    assert_eq!(body["status"], "delivering");
    assert_eq!(body["format"], "jsonl");
    assert_eq!(body["columns"][5], "received_at");
    browser.click("[data-columns=reset]").await;
    assert_eq!(body_of(&command_of(browser).await).get("columns"), None);

    browser.fill("[name=timezone]", "Nowhere/City").await;
    let _ = browser
        .wait_for_text(".estimate [role=alert]", "timezone")
        .await;
    browser.click("[data-action=create]").await;
    let error = browser
        .wait_for_text(".error-place [role=alert]", "timezone")
        .await;
    assert!(error.contains("INVALID_REQUEST"), "{error}");

    browser.fill("[name=timezone]", "UTC").await;
    // Enter in a field is as good as the button.
    browser.press(ENTER).await;
    let _ = browser.wait_for_text("h1", "Inbound export").await;
    eventually("one export exists", TIMEOUT, async || {
        let list = console.fixture.api().get("/v1/exports").await.data();
        (list.as_array().unwrap().len() == 1).then_some(())
    })
    .await;
    console.finish(&[400]).await;
}
