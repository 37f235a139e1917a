//! The reference of the command line: `exportctl reference` prints it.

use crate::page::Page;

const INTRODUCTION: &str = "\
# Command line

The help of every command of `exportctl`, as `exportctl COMMAND --help` prints it. [Create and download exports in a terminal](../exportctl.md) \
explains the commands of consumers, and [Operating](../operating.md#checking-and-observing) those of operators.";

/// The page.
pub(crate) fn page(printed: &str) -> Page {
    Page::whole(
        "docs/reference/exportctl.md",
        &format!("{INTRODUCTION}\n\n{}", printed.trim()),
    )
}
