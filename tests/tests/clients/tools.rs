//! The programs of `scripts/ensure-clients`.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use exports_tests::{not_run, tools_folder};
use tokio::process::Command;

/// A program of the Python environment of `scripts/ensure-clients`. None, with a message, if it is missing.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let program = tools_folder().join("clients/bin").join(name);
    is_installed(program.is_file(), name).then_some(program)
}

/// A program of the system. None, with a message, if it is missing.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = places.find(|place| place.is_file());
    is_installed(found.is_some(), name).then_some(found?)
}

/// Gson, a library for Java. None, with a message, if it is missing.
pub(crate) fn gson() -> Option<PathBuf> {
    let library = PathBuf::from("/usr/share/java/gson.jar");
    is_installed(library.is_file(), "Gson").then_some(library)
}

fn is_installed(found: bool, name: &str) -> bool {
    if !found {
        let has_to_be = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!has_to_be, "{name} is not installed");
        not_run(&format!(
            "{name} is not installed; scripts/ensure-clients installs it"
        ));
    }
    found
}

/// Runs a command to its end.
pub(crate) async fn run(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    command.output().await.unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
