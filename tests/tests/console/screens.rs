//! Every view in both themes and two widths: axe-core, no horizontal scrolling, and a picture in `target/console`.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use exports_domain::ExportStatus;
use exports_tests::{ExportRow, Fixture};
use serde_json::json;

use crate::accessibility;
use crate::browser::Browser;
use crate::console::Console;
use crate::live::with_many_messages;
use crate::webhooks::receiver;

const WIDTHS: [u32; 2] = [1280, 360];

/// `target/console`: two folders above the program of the test.
fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program.ancestors().nth(3).unwrap().join("console");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Looks at the present view in all themes and widths.
pub(crate) async fn look_at(browser: &Browser, view: &str) {
    for theme in ["light", "dark"] {
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        let _ = browser.command("Emulation.setEmulatedMedia", media).await;
        for width in WIDTHS {
            resize(browser, width, 900).await;
            accessibility::check(browser, &format!("{view}, {theme}, {width}")).await;
            let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(
                browser.run(overflow).await,
                0,
                "{view} at {width} scrolls sideways"
            );
            let height = browser
                .run("return document.documentElement.scrollHeight")
                .await;
            let height = u32::try_from(height.as_u64().unwrap()).unwrap();
            resize(browser, width, height.clamp(600, 4000)).await;
            let parameters = json!({"format": "png", "optimizeForSpeed": false});
            let picture = browser.command("Page.captureScreenshot", parameters).await;
            let picture = BASE64_STANDARD.decode(picture["data"].as_str().unwrap());
            let path = folder().join(format!("{view}-{theme}-{width}.png"));
            std::fs::write(path, picture.unwrap()).unwrap();
        }
    }
    resize(browser, 1280, 900).await;
}

async fn resize(browser: &Browser, width: u32, height: u32) {
    let metrics =
        json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
    let _ = browser
        .command("Emulation.setDeviceMetricsOverride", metrics)
        .await;
}

/// Exports in every state.
async fn fill_list(fixture: &Fixture) -> String {
    let rows = [
        ("Weekly report for finance", ExportStatus::Completed, 3),
        ("Failed deliveries of November", ExportStatus::Failed, 2),
        ("Audit 2025", ExportStatus::Expired, 1),
    ];
    let mut failed = String::new();
    for (label, status, hours) in rows {
        let row = ExportRow::of(fixture.project(), status).with("label", label);
        let row = match status {
            ExportStatus::Failed => row
                .with("error_code", "SOURCE_UNAVAILABLE")
                .with("error_message", "The messages could not be read."),
            _ => row
                .with("row_count", 48_210)
                .with("file_size_bytes", 9_713_400),
        };
        let row = row.with_ago("created_at", chrono::TimeDelta::hours(hours));
        let id = row.insert(fixture.database().pool()).await;
        if status == ExportStatus::Failed {
            failed = id.to_string();
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_exports_are_accessible_in_both_themes_and_widths() {
    let Some(console) = with_many_messages().await else {
        return;
    };
    let (browser, fixture) = (&console.browser, &console.fixture);
    let _ = browser.wait_for(".empty h2").await;
    look_at(browser, "list-empty").await;
    let failed = fill_list(fixture).await;
    let (_worker, source) = fixture.worker_behind_a_proxy(&[]).await;
    source.slow_down(Duration::from_millis(60));
    let slow = console.create("December, all endpoints").await;
    let _ = console.create("December again").await;
    let _ = console.create("Third in the queue").await;
    console.open("#/new", "New export").await;
    console.open("#/exports", "Exports").await;
    // At 0 % the bar could not be seen in the picture.
    let _ = browser.wait_for("progress[value]:not([value='0'])").await;
    look_at(browser, "list").await;
    console.open(&format!("#/exports/{slow}"), "December").await;
    let _ = browser.wait_for(".chart .line").await;
    look_at(browser, "detail-running").await;
    browser.click("[data-action=cancel]").await;
    let _ = browser.wait_for("dialog").await;
    look_at(browser, "question").await;
    browser.click("[data-answer=no]").await;
    console
        .open(&format!("#/exports/{failed}"), "Failed deliveries")
        .await;
    look_at(browser, "detail-failed").await;
    source.restore();
    let _ = fixture.wait_until(&slow, "completed").await;
    console.open(&format!("#/exports/{slow}"), "December").await;
    let _ = browser.wait_for_text(".badge", "ready").await;
    look_at(browser, "detail-ready").await;
    console.finish(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_views_are_accessible_in_both_themes_and_widths() {
    let Some(console) = Console::signed_out(Fixture::builder()).await else {
        return;
    };
    let (browser, fixture) = (&console.browser, &console.fixture);
    browser.click("button[type=submit]").await;
    let _ = browser.wait_for("[role=alert]").await;
    look_at(browser, "sign-in").await;
    console.sign_in(fixture.key()).await;

    let request = json!({
        "start_time": "2025-12-01T00:00:00Z",
        "end_time": "2025-12-02T00:00:00Z",
        "label": "Split for Excel",
        "max_rows_per_file": 2000,
    });
    let split = fixture.create_export(request).await;
    let split = split["id"].as_str().unwrap();
    console.open(&format!("#/exports/{split}"), "Split").await;
    let _ = browser.wait_for("table.files").await;
    look_at(browser, "detail-split").await;

    console.open("#/new", "New export").await;
    let set = "for (const [name, value] of [['start', '2025-12-01T00:00'], ['end', '2025-12-02T00:00']]) {
        document.querySelector(`[name=${name}]`).value = value;
        document.querySelector(`[name=${name}]`).dispatchEvent(new Event('input', { bubbles: true })); }";
    let _ = browser.run(set).await;
    let _ = browser.wait_for_text(".estimate", "rows").await;
    look_at(browser, "create").await;
    browser.click("summary").await;
    look_at(browser, "create-columns").await;

    console.open("#/webhooks", "Webhooks").await;
    let _ = browser.wait_for(".empty").await;
    look_at(browser, "webhooks-empty").await;
    let (url, serving) = receiver().await;
    browser.fill("#url", &url).await;
    browser.click("[data-action=create-webhook]").await;
    let _ = browser.wait_for(".secret").await;
    browser.click(".webhook [data-action=test]").await;
    let _ = browser.wait_for(".webhook .good").await;
    look_at(browser, "webhooks").await;
    browser.click("[data-action=deliveries]").await;
    let _ = browser.wait_for_text("tbody tr", "delivered").await;
    look_at(browser, "deliveries").await;
    serving.abort();
    console.finish(&[]).await;
}
