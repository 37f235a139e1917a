//! The log of a program after a failed test: a file, so that the output of the test shows the assertion first and stays short.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::programs::last_lines;

/// Lines that are also printed with `CI=true`, because the file may be gone with the machine.
const CI_LINES: usize = 80;

/// Writes the log to `test-logs/<test>-<program>-<process id>.log` in the folder of the programs, and prints its path.
pub(super) fn keep(program: &str, id: u32, log: &str) {
    match write(program, id, log) {
        Ok(file) => eprintln!("The log of {program}: {}", file.display()),
        Err(error) => eprintln!("The log of {program} could not be written: {error:#}"),
    }
    if std::env::var_os("CI").is_some() {
        let end = last_lines(log, CI_LINES);
        eprintln!("--- the end of the log of {program}:\n{end}");
    }
}

fn write(program: &str, id: u32, log: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the path of the running program")?;
    let folder = own
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"));
    let folder = folder
        .context("the running program has no folder")?
        .join("test-logs");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // The test harness names the thread after the test.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed").replace("::", ".");
    let file = folder.join(format!("{test}-{program}-{id}.log"));
    fs::write(&file, log).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
