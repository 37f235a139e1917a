//! `docs/reference/metrics.md`: the metrics of both services, from what they report.

use std::collections::{BTreeMap, BTreeSet};

use crate::markdown::{cell, code, code_cell};
use crate::page::Page;

/// Labels whose values are not a fixed set, or differ between builds.
const OPEN_LABELS: &[&str] = &["method", "route", "status", "program", "version", "le"];

const INTRODUCTION: &str = "\
# Metrics

Both services report metrics in the text format of Prometheus: the API at `/metrics` on `EXPORTS_METRICS_LISTEN`, a worker at \
`/metrics` on `EXPORTS_HEALTH_LISTEN`. Neither listens unless its variable is set. The addresses are not for consumers.

[Alert rules](../../deploy/prometheus/alerts.yaml) and a [dashboard](../../deploy/grafana/exports.json) use these metrics. The \
[runbook](../../deploy/RUNBOOK.md#alerts) explains each alert.

Every series of a counter and of a histogram exists from the start with 0, except those of \
`exports_http_request_duration_seconds`, which exist once a route was used.";

/// The page.
pub(crate) fn page(api: &str, worker: &str) -> Page {
    let (api, worker) = (families(api), families(worker));
    let both = |name: &&String| api.contains_key(*name) && worker.contains_key(*name);
    let shared: BTreeSet<_> = api.keys().filter(both).cloned().collect();
    let (own, process): (BTreeSet<_>, BTreeSet<_>) = shared
        .iter()
        .cloned()
        .partition(|name| !name.starts_with("process_"));
    let only = |all: &BTreeMap<String, Family>| -> BTreeSet<String> {
        all.keys()
            .filter(|name| !shared.contains(*name))
            .cloned()
            .collect()
    };
    let sections = [
        ("The API", table(&api, &only(&api))),
        ("A worker", table(&worker, &only(&worker))),
        ("Both services", table(&api, &own)),
        ("The process, on Linux", table(&api, &process)),
    ];
    let sections: Vec<_> = sections
        .iter()
        .map(|(title, table)| format!("## {title}\n\n{table}"))
        .collect();
    let text = format!("{INTRODUCTION}\n\n{}", sections.join("\n\n"));
    Page::whole("docs/reference/metrics.md", &text)
}

/// What the text format says about one metric.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("HELP has a text");
            families.entry(name.to_owned()).or_default().help =
                help.replace("\\n", " ").replace("\\\\", "\\");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("TYPE has a type");
            kind.clone_into(&mut families.entry(name.to_owned()).or_default().kind);
        } else if let Some((series, _)) = line.rsplit_once(' ')
            && let Some((name, labels)) = series.split_once('{')
        {
            let family = ["", "_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix))
                .find(|name| families.contains_key(*name));
            let family = family.expect("a series comes after its HELP").to_owned();
            let family = families.entry(family).or_default();
            for label in labels.trim_end_matches('}').split("\",") {
                let (name, value) = label.split_once("=\"").expect("label=\"value\"");
                let values = family.labels.entry(name.to_owned()).or_default();
                values.insert(value.trim_end_matches('"').to_owned());
            }
        }
    }
    families
}

fn table(families: &BTreeMap<String, Family>, names: &BTreeSet<String>) -> String {
    let rows = names.iter().map(|name| {
        let family = &families[name];
        let (kind, help) = (&family.kind, cell(&family.help));
        format!(
            "| {} | {kind} | {} | {help} |",
            code_cell(name),
            labels(family)
        )
    });
    let rows: Vec<_> = rows.collect();
    format!(
        "| metric | type | labels | meaning |\n|---|---|---|---|\n{}",
        rows.join("\n")
    )
}

fn labels(family: &Family) -> String {
    let labels = family.labels.iter().filter(|(name, _)| *name != "le");
    let labels: Vec<_> = labels
        .map(|(name, values)| {
            if OPEN_LABELS.contains(&name.as_str()) {
                return code(name);
            }
            let values: Vec<_> = values.iter().map(|value| code(value)).collect();
            format!("{}: {}", code(name), values.join(", "))
        })
        .collect();
    labels.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP a_total Counts a.
# TYPE a_total counter
a_total{cause=\"one\"} 0
a_total{cause=\"two\"} 3
# HELP b_seconds Times b.
# TYPE b_seconds histogram
b_seconds_bucket{route=\"/x\",le=\"1\"} 0
b_seconds_sum{route=\"/x\"} 0
";

    #[test]
    fn a_metric_has_its_type_its_labels_and_its_help() {
        let families = families(TEXT);
        let names = families.keys().cloned().collect();
        let table = table(&families, &names);
        assert!(
            table.ends_with(
                "| `a_total` | counter | `cause`: `one`, `two` | Counts a. |\n\
                 | `b_seconds` | histogram | `route` | Times b. |"
            ),
            "{table}"
        );
    }
}
