//! Parses `/metrics` strictly: Prometheus' text format 0.0.4.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::http::Client;

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The metric's name, for a histogram with its suffix.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// All series of one scrape.
#[derive(Debug, Clone)]
pub struct Scrape(Vec<Series>);

impl Scrape {
    /// Scrapes `address` (`http://127.0.0.1:8081`).
    pub async fn of(address: &str) -> Self {
        let reply = Client::new(address).get("/metrics").await.expect(200);
        let kind = reply.header("content-type");
        assert!(
            kind.is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")),
            "{kind:?}"
        );
        Self::parse(reply.text())
    }

    /// Parses the text; panics if it is not in the format.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no line break");
        let mut kinds = HashMap::new();
        let mut helped = HashSet::new();
        let mut all = Vec::<Series>::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("HELP has a text");
                assert!(helped.insert(name.to_owned()), "{name} has two HELP lines");
                assert!(!help.is_empty(), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("TYPE has a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let known = kinds.insert(name.to_owned(), kind.to_owned());
                assert!(known.is_none(), "{name} has two TYPE lines");
            } else {
                let series = series(line);
                check_name(&series, &kinds, &helped);
                let twice =
                    |other: &Series| (&other.name, &other.labels) == (&series.name, &series.labels);
                assert!(!all.iter().any(twice), "duplicate series: {line}");
                all.push(series);
            }
        }
        Self(all)
    }

    /// All series.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        &self.0
    }

    /// The series with this name and these labels.
    #[must_use]
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Series> {
        let fits = |series: &&Series| {
            series.name == name
                && labels
                    .iter()
                    .all(|(label, value)| series.labels.get(*label).is_some_and(|is| is == value))
        };
        self.0.iter().filter(fits).collect()
    }

    /// The sum of these series; panics if there is none.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.find(name, labels);
        assert!(!found.is_empty(), "{name} with {labels:?} is not reported");
        found.iter().map(|series| series.value).sum()
    }
}

/// Every series must have a type and a help text, and counters must end with `_total`.
fn check_name(series: &Series, kinds: &HashMap<String, String>, helped: &HashSet<String>) {
    let Series { name, .. } = series;
    let family = if kinds.contains_key(name) {
        name.as_str()
    } else {
        let part = ["_bucket", "_sum", "_count"];
        let family = part.iter().find_map(|part| name.strip_suffix(part));
        family.unwrap_or_else(|| panic!("{name} has no TYPE before it"))
    };
    let kind = kinds.get(family).map(String::as_str);
    assert_eq!(
        kind == Some("histogram"),
        family != name,
        "{name}: {kind:?}"
    );
    assert!(helped.contains(family), "{name} has no HELP before it");
    let counts = kind == Some("counter");
    assert_eq!(counts, name.ends_with("_total"), "{name} is a {kind:?}");
}

/// `name{label="value",…} value`
fn series(line: &str) -> Series {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, mut rest) = match series.split_once('{') {
        None => (series, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("a closing brace")),
    };
    let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(!name.is_empty() && name.chars().all(in_name), "{line}");
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"").expect("label=\"value\"");
        assert!(label.chars().all(in_name), "{line}");
        // No label value of the service needs an escape.
        let (value, after) = quoted.split_once('"').expect("a closing quote");
        assert!(!value.contains('\\'), "{line}");
        let twice = labels.insert(label.to_owned(), value.to_owned());
        assert!(twice.is_none(), "duplicate label {label}: {line}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Series {
        name: name.to_owned(),
        labels,
        value: value
            .parse()
            .unwrap_or_else(|_| panic!("{value:?}: {line}")),
    }
}
