//! axe-core on what the browser shows.

use exports_tests::{Fixture, not_run, tools_folder};
use serde_json::Value;

use crate::browser::Browser;
use crate::console::Console;

/// `scripts/ensure-chromium` installs it.
fn axe() -> Option<String> {
    std::fs::read_to_string(tools_folder().join("axe.min.js")).ok()
}

/// What axe-core finds. None, with a message, if it is not installed.
async fn violations(browser: &Browser) -> Option<Vec<Value>> {
    let Some(axe) = axe() else {
        not_run("axe-core is not installed; scripts/ensure-chromium installs it");
        return None;
    };
    if browser.run("return typeof window.axe").await == "undefined" {
        let _ = browser.run(&axe).await;
    }
    let script = "const { violations, passes } = await axe.run(document);
        if (passes.length < 5) throw new Error('axe-core has checked almost nothing');
        const shown = ({ html, failureSummary }) => `${html} ${failureSummary}`;
        return violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map(shown) }));";
    let found = browser.run_async(script).await;
    let found = found.as_array().unwrap_or_else(|| panic!("{found}"));
    Some(found.clone())
}

fn is_serious(violation: &Value) -> bool {
    matches!(violation["impact"].as_str(), Some("serious" | "critical"))
}

/// Panics if axe-core finds something serious or critical.
pub(crate) async fn check(browser: &Browser, view: &str) {
    let Some(found) = violations(browser).await else {
        return;
    };
    let (serious, minor): (Vec<_>, Vec<_>) = found.into_iter().partition(is_serious);
    assert!(serious.is_empty(), "{view}: {serious:#?}");
    for minor in minor {
        println!("{view}: {minor:#}");
    }
}

/// Without this, the tests could pass because they see nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_tests_see_barriers_violations_of_the_policy_and_errors() {
    let builder = Fixture::builder().workers(0);
    let Some(console) = Console::start(builder).await else {
        return;
    };
    let browser = &console.browser;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let spoil = "const image = document.createElement('img');
        image.src = 'console/icon.svg';
        document.querySelector('main').append(image);
        document.body.setAttribute('style', 'color: red');
        console.error('an error of the page');
        fetch('http://127.0.0.1:1/').catch(() => {});";
    let _ = browser.run(spoil).await;
    if let Some(found) = violations(browser).await {
        let ids: Vec<_> = found.iter().filter(|it| is_serious(it)).collect();
        assert!(ids.iter().any(|it| it["id"] == "image-alt"), "{found:?}");
    }
    let complaints = browser.complaints().await.join("\n");
    for expected in ["style-src", "connect-src", "an error of the page"] {
        assert!(complaints.contains(expected), "{complaints}");
    }
    console.browser.quit().await;
}
