//! Compares a program of the workspace with its source files.
//!
//! Tests start the programs of the target directory. `cargo test` builds only some of them, so without this check a test
//! could pass or fail because of an old program.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

/// Fails if a source file of the program is newer than the program. Cargo lists the files in `<program>.d`. An installed
/// program has no such list and is not checked.
pub(super) fn ensure_current(program: &Path) -> Result<()> {
    let list = program.with_extension("d");
    if !list.is_file() {
        return Ok(());
    }
    let text =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let built = modified(program)?;
    for source in sources(&text) {
        // A deleted source file was part of another version.
        if !source.exists() || modified(&source)? > built {
            bail!(
                "{} is older than {}; run: cargo build --workspace --bins{}",
                program.display(),
                source.display(),
                if is_release(program) {
                    " --release"
                } else {
                    ""
                }
            );
        }
    }
    Ok(())
}

fn modified(file: &Path) -> Result<SystemTime> {
    let time = fs::metadata(file).and_then(|data| data.modified());
    time.with_context(|| {
        format!(
            "cannot read the time of the last change of {}",
            file.display()
        )
    })
}

fn is_release(program: &Path) -> bool {
    program
        .parent()
        .is_some_and(|folder| folder.ends_with("release"))
}

/// The files after the colon of `program: file file …`. A blank in a name is written `\ `.
fn sources(list: &str) -> Vec<PathBuf> {
    const BLANK: char = '\u{0}';
    let line = list.lines().next().unwrap_or_default();
    let files = line.split_once(": ").map_or("", |(_, files)| files);
    files
        .replace("\\ ", &BLANK.to_string())
        .split_whitespace()
        .map(|file| PathBuf::from(file.replace(BLANK, " ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    /// A program, and its list with one source file that was changed `age` before the program was built.
    fn built(folder: &Path, age: Duration) -> PathBuf {
        let (program, source) = (folder.join("tool"), folder.join("my main.rs"));
        let now = SystemTime::now();
        File::create(&program).unwrap().set_modified(now).unwrap();
        let source_file = File::create(&source).unwrap();
        source_file.set_modified(now - age).unwrap();
        let name = source.to_str().unwrap().replace(' ', "\\ ");
        fs::write(
            folder.join("tool.d"),
            format!("{}: {name}\n", program.display()),
        )
        .unwrap();
        program
    }

    #[test]
    fn a_program_that_is_newer_than_its_sources_is_current() {
        let folder = tempfile::tempdir().unwrap();
        let program = built(folder.path(), Duration::from_secs(1));
        ensure_current(&program).unwrap();
    }

    #[test]
    fn a_changed_source_file_is_named_with_the_build_command() {
        let folder = tempfile::tempdir().unwrap();
        let program = built(folder.path(), Duration::from_secs(1));
        let source = File::options()
            .write(true)
            .open(folder.path().join("my main.rs"));
        let later = SystemTime::now() + Duration::from_secs(5);
        source.unwrap().set_modified(later).unwrap();
        let error = ensure_current(&program).unwrap_err().to_string();
        assert!(
            error.contains("my main.rs; run: cargo build --workspace --bins"),
            "{error}"
        );
    }

    #[test]
    fn a_deleted_source_file_makes_a_program_stale() {
        let folder = tempfile::tempdir().unwrap();
        let program = built(folder.path(), Duration::from_secs(1));
        fs::remove_file(folder.path().join("my main.rs")).unwrap();
        assert!(ensure_current(&program).is_err());
    }

    #[test]
    fn an_installed_program_is_not_checked() {
        let folder = tempfile::tempdir().unwrap();
        let program = built(folder.path(), Duration::ZERO);
        fs::remove_file(folder.path().join("tool.d")).unwrap();
        ensure_current(&program).unwrap();
    }
}
