//! The dashboard and the alert rules only use metrics that the programs report.

use std::path::Path;

use exports_tests::{Scrape, Series};
use regex::Regex;
use serde_json::Value;

use crate::service::{busy, scraped};

/// Labels that Prometheus itself adds.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

fn deployed(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `expr` of the dashboard's panels.
fn expressions(panel: &Value, found: &mut Vec<String>) {
    match panel {
        Value::Object(fields) => {
            if let Some(expression) = fields.get("expr") {
                found.push(expression.as_str().expect("an expression").to_owned());
            }
            fields.values().for_each(|field| expressions(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a series satisfies a matcher (`=`, `!=`, `=~` or `!~`).
fn matches_selector(series: &Series, label: &str, operator: &str, value: &str) -> bool {
    let is = series.labels.get(label).map_or("", String::as_str);
    let matches = || {
        let whole = Regex::new(&format!("^(?:{value})$"));
        whole.expect("a pattern in a selector").is_match(is)
    };
    match operator {
        "=" => is == value,
        "!=" => is != value,
        "=~" => matches(),
        _ => !matches(),
    }
}

/// Checks each selector in a text, and returns their number.
fn check(text: &str, told: &[&Scrape]) -> usize {
    let selector =
        Regex::new(r"\b((?:exports|process)_[a-z_]+)\b(?:\{([^}]*)\})?").expect("a pattern");
    let matcher = Regex::new(r#"([a-z_]+)(=~|!~|!=|=)"([^"]*)""#).expect("a pattern");
    let grouping = Regex::new(r"\b(?:by|without|on) ?\(([^)]*)\)").expect("a pattern");
    let all: Vec<_> = told.iter().flat_map(|scrape| scrape.series()).collect();
    let mut selectors = 0;
    for found in selector.captures_iter(text) {
        selectors += 1;
        let mut left: Vec<_> = all
            .iter()
            .filter(|series| series.name == found[1])
            .collect();
        assert!(!left.is_empty(), "no program reports {}", &found[1]);
        let matchers = found.get(2).map_or("", |matchers| matchers.as_str());
        for found in matcher.captures_iter(matchers) {
            if !OF_PROMETHEUS.contains(&&found[1]) {
                left.retain(|series| matches_selector(series, &found[1], &found[2], &found[3]));
            }
        }
        assert!(!left.is_empty(), "no program reports {}", &found[0]);
    }
    for found in grouping.captures_iter(text) {
        for label in found[1].split(',').map(str::trim) {
            let known = OF_PROMETHEUS.contains(&label)
                || all.iter().any(|series| series.labels.contains_key(label));
            assert!(known, "no metric has the label {label}: {}", &found[0]);
        }
    }
    selectors
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_alert_rules_use_only_reported_metrics() {
    let busy = busy(scraped()).await;
    let told = [&busy.worker, &busy.api];

    let dashboard: Value =
        serde_json::from_str(&deployed("grafana/exports.json")).expect("the dashboard is JSON");
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(found.len() > 40, "{} expressions", found.len());
    for expression in &found {
        assert!(
            check(expression, &told) > 0,
            "no metric of the service: {expression}"
        );
    }
    // The unit tests of the rules use the same names: with other names no alert would fire.
    let rules = deployed("prometheus/alerts.yaml");
    let selectors = check(&rules, &told);
    assert!(selectors > 15, "{selectors} selectors");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_links_to_a_page_of_the_runbook() {
    let rules = deployed("prometheus/alerts.yaml");
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let page = format!("deploy/RUNBOOK.md#{}\n", alert.to_lowercase());
        assert!(rules.contains(&page), "{alert} has no link to the runbook");
    }
}
