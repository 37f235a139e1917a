//! No command is forgotten: each block of the tutorial and of the how-to guides is run, or says why not.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::operators;
use crate::page::{Note, blocks_of, repository};

/// The parts of the book whose commands are run.
const PARTS: [&str; 2] = ["# Tutorial", "# How-to guides"];
/// The pages of the stories, besides those of the operators.
const RUN: [&str; 7] = [
    "docs/tutorial.md",
    "docs/how-to/tables-json.md",
    "docs/how-to/tables-partitions.md",
    "docs/how-to/tables-tenants.md",
    "docs/how-to/webhooks.md",
    "docs/how-to/read-files.md",
    "docs/exportctl.md",
];

/// The pages of the book, by their paths in the repository, and whether their commands are run.
fn pages() -> Vec<(String, bool)> {
    let summary = std::fs::read_to_string(repository().join("docs/SUMMARY.md"));
    let summary = summary.expect("the table of contents");
    let mut pages = Vec::new();
    let mut is_in_part = false;
    for line in summary.lines() {
        if line.starts_with("# ") {
            is_in_part = PARTS.contains(&line);
        } else if let Some((_, rest)) = line.split_once("](") {
            let target = rest.trim_end_matches(')');
            pages.push((normalized(&Path::new("docs").join(target)), is_in_part));
        }
    }
    pages
}

fn normalized(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.display().to_string()
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let is_run = |page: &str| RUN.contains(&page) || operators::PAGES.contains(&page);
    let all = pages();
    for page in RUN.iter().chain(&operators::PAGES) {
        let is_known = all.iter().any(|(known, _)| known == page);
        assert!(is_known, "{page} is not in the book");
    }
    let pages: Vec<_> = all
        .into_iter()
        .filter(|(page, is_in_part)| *is_in_part || is_run(page))
        .map(|(page, _)| page)
        .collect();
    let mut run = 0;
    let mut not_run = BTreeMap::<String, usize>::new();
    let mut forgotten = Vec::new();
    for block in pages.iter().flat_map(|page| blocks_of(page)) {
        match &block.note {
            Note::NotTested { reason } => *not_run.entry(reason.clone()).or_default() += 1,
            _ if !block.is_runnable() => {}
            _ if is_run(&block.page) => run += 1,
            _ => forgotten.push(block.place()),
        }
        assert!(
            !block.is_output() || is_run(&block.page),
            "{}: nothing compares this output",
            block.place()
        );
    }
    let not_tested: usize = not_run.values().sum();
    println!(
        "{} pages: {run} blocks are run, {not_tested} are not:",
        pages.len()
    );
    for (reason, count) in not_run {
        println!("  {count} {reason}");
    }
    assert!(
        forgotten.is_empty(),
        "neither run nor excused: {forgotten:#?}"
    );
}
