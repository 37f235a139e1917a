//! `/console`: a web page that uses the API, for people.
//!
//! The page and its files are part of the program. They need no key: whoever opens the page signs in with one, and the page sends
//! it with its requests to `/v1`, like any other client. The page is plain ES modules without a framework and without a build
//! step: what a browser reads is what a reviewer reads, `cargo build` needs no second toolchain, and there are no packages whose
//! updates and licenses somebody has to follow.

use std::sync::LazyLock;

use crate::pages::{Page, assets};

pub(crate) const PATH: &str = "/console";

/// The page.
pub(crate) static PAGE: LazyLock<Page> = LazyLock::new(|| Page {
    path: PATH,
    assets: assets![
        "console":
            "index.html",
            "style.css",
            "parts.css",
            "icon.svg",
            "api.js",
            "chart.js",
            "columns.js",
            "create.js",
            "curl.js",
            "deliveries.js",
            "detail.js",
            "dom.js",
            "estimate.js",
            "facts.js",
            "feedback.js",
            "fields.js",
            "files.js",
            "list.js",
            "live.js",
            "main.js",
            "request.js",
            "router.js",
            "row.js",
            "signin.js",
            "time.js",
            "timeline.js",
            "webhooks.js",
    ],
});

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The sum of all files.
    const MAX_SIZE: usize = 150 << 10;

    #[test]
    fn the_files_of_the_page_are_small() {
        let size: usize = PAGE.assets.iter().map(|asset| asset.content.len()).sum();
        assert!(size <= MAX_SIZE, "{size}");
        for asset in &PAGE.assets {
            let lines = asset.content.split(|byte| *byte == b'\n').count();
            assert!(lines <= 400, "{} has {lines} lines", asset.name);
        }
    }

    #[test]
    fn the_program_contains_every_file_of_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/console");
        let files = std::fs::read_dir(folder).unwrap();
        let files: BTreeSet<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let served: BTreeSet<_> = PAGE
            .assets
            .iter()
            .map(|asset| asset.name.to_owned())
            .collect();
        assert_eq!(files, served);
    }

    #[test]
    fn no_file_has_inline_code_or_another_origin() {
        for asset in &PAGE.assets {
            let text = std::str::from_utf8(&asset.content).unwrap();
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "style=",
                "onclick=",
            ] {
                assert!(!text.contains(forbidden), "{} has {forbidden}", asset.name);
            }
            // The placeholder of an input, and a sentence.
            let text = text.replace("https://example.com", "");
            for origin in text.split("https://").skip(1) {
                assert!(origin.starts_with(' '), "{}: {origin:.40}", asset.name);
            }
        }
    }
}
