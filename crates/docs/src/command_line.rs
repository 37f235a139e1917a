//! The reference of the command line: `exportctl docs markdown` prints it.

use std::process::Command;

use crate::page::Page;

/// The page, or nothing while `exportctl` of this checkout cannot print it.
pub(crate) fn page() -> Option<Page> {
    let command = Command::new(exports_tests::program("exportctl"))
        .args(["docs", "markdown"])
        .output();
    let output = command.expect("exportctl starts");
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).expect("the reference is UTF-8");
    Some(Page::whole("docs/reference/exportctl.md", &text))
}
