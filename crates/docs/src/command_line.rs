//! The reference of the command line: `exportctl reference` prints it.

use std::process::Command;

use crate::page::Page;

const INTRODUCTION: &str = "\
# Command line

The help of every command of `exportctl`, as `exportctl COMMAND --help` prints it. [Create and download exports in a terminal](../exportctl.md) \
explains the commands of consumers, and [Operating](../operating.md#checking-and-observing) those of operators.";

/// The page.
pub(crate) fn page() -> Page {
    let command = Command::new(exports_tests::program("exportctl"))
        .arg("reference")
        .output();
    let output = command.expect("exportctl starts");
    let text = String::from_utf8(output.stdout).expect("the reference is UTF-8");
    assert!(
        output.status.success(),
        "exportctl reference: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Page::whole(
        "docs/reference/exportctl.md",
        &format!("{INTRODUCTION}\n\n{text}"),
    )
}
