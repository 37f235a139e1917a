//! Output: results to standard output, messages to standard error.

use std::io::{ErrorKind, Write};

use crate::error::{Context, Error, Result};

/// Prints a result. A closed pipe is an error; `println!` would panic.
pub(crate) fn print(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Error::BrokenPipe),
        printed => printed.context("standard output"),
    }
}

/// Prints a message. Errors are ignored.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
