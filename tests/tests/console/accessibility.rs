//! axe-core on what the browser shows.

use std::path::PathBuf;

use exports_tests::not_run;
use serde_json::Value;

use crate::browser::Browser;

/// Where `scripts/ensure-chromium` puts axe-core.
fn axe() -> Option<String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let tools = std::env::var_os("TOOLS_DIR").map(PathBuf::from);
    let tools = tools.or_else(|| Some(cache?.join("exports-tools")))?;
    std::fs::read_to_string(tools.join("axe.min.js")).ok()
}

/// Panics if axe-core finds something serious or critical.
pub(crate) async fn check(browser: &Browser, view: &str) {
    let Some(axe) = axe() else {
        not_run("axe-core is not installed; scripts/ensure-chromium installs it");
        return;
    };
    if browser.run("return typeof window.axe").await == "undefined" {
        let _ = browser.run(&axe).await;
    }
    let found = browser
        .run_async(
            "const { violations } = await axe.run(document, { resultTypes: ['violations'] });
             return violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`) }));",
        )
        .await;
    let found = found.as_array().unwrap_or_else(|| panic!("{found}"));
    let bad = |it: &&Value| matches!(it["impact"].as_str(), Some("serious" | "critical"));
    let serious: Vec<_> = found.iter().filter(bad).collect();
    assert!(serious.is_empty(), "{view}: {serious:#?}");
    for minor in found {
        println!("{view}: {minor:#}");
    }
}
