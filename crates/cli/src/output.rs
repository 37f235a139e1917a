//! Standard output is for results, standard error for everything that is said beside them.

use std::io::{ErrorKind, Write};

use crate::error::{Context, Error, Result};

/// Prints a result. A reader that is gone is an error: `println!` would panic.
pub(crate) fn print(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Error::ReaderGone),
        printed => printed.context("standard output"),
    }
}

/// Says something beside the results. If nobody can read it, nothing is lost.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
