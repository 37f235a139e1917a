//! The operators' commands as they were spelled before `exportctl admin`. They work for one release.

use std::ffi::{OsStr, OsString};

use crate::profile::ProfileFile;

const ADMIN: &str = "admin";
/// The commands that moved, and whose names mean nothing else now.
const MOVED: [&str; 8] = [
    "check", "migrate", "project", "key", "jobs", "job", "prune", "seed",
];
/// Moved, too. Now it is also a command of consumers.
const WEBHOOK: &str = "webhook";

/// The arguments in the current spelling, and what to tell somebody who used the old one.
pub(crate) fn current_spelling(arguments: Vec<OsString>) -> (Vec<OsString>, Option<String>) {
    respelled(arguments, has_settings_of_operator)
}

/// The old `webhook list` without a project looks like that of consumers, so the settings decide.
fn has_settings_of_operator() -> bool {
    let is_set = |name: &&str| std::env::var_os(name).is_some();
    let has_profiles = || ProfileFile::of_user().is_ok_and(|file| file.path().exists());
    ["DATABASE_URL", "DATABASE_URL_FILE"].iter().any(is_set)
        && !is_set(&"EXPORTS_API_URL")
        && !has_profiles()
}

fn respelled(
    mut arguments: Vec<OsString>,
    is_operator: impl FnOnce() -> bool,
) -> (Vec<OsString>, Option<String>) {
    let Some(command) = arguments.get(1).and_then(|it| it.to_str()) else {
        return (arguments, None);
    };
    let moved = MOVED.contains(&command)
        || (command == WEBHOOK && is_of_operator(&arguments[2..], is_operator));
    if !moved {
        return (arguments, None);
    }
    let note = format!(
        "note: 'exportctl {command}' is now 'exportctl {ADMIN} {command}'; the next release will not know the old spelling"
    );
    arguments.insert(1, ADMIN.into());
    (arguments, Some(note))
}

fn is_of_operator(arguments: &[OsString], is_operator: impl FnOnce() -> bool) -> bool {
    let texts = || arguments.iter().filter_map(|it| it.to_str());
    texts().any(|it| it.starts_with("proj_") || it.starts_with("--project"))
        || (arguments.first().map(OsString::as_os_str) == Some(OsStr::new("list")) && is_operator())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current(line: &str, is_operator: bool) -> (String, bool) {
        let arguments = line.split(' ').map(OsString::from).collect();
        let (arguments, note) = respelled(arguments, || is_operator);
        let arguments: Vec<_> = arguments.iter().filter_map(|it| it.to_str()).collect();
        (arguments.join(" "), note.is_some())
    }

    #[test]
    fn commands_of_operators_get_the_word_admin() {
        for (given, now) in [
            ("exportctl migrate", "exportctl admin migrate"),
            (
                "exportctl key create --project proj_a",
                "exportctl admin key create --project proj_a",
            ),
            (
                "exportctl webhook show proj_a 1",
                "exportctl admin webhook show proj_a 1",
            ),
            (
                "exportctl webhook list --project=proj_a",
                "exportctl admin webhook list --project=proj_a",
            ),
        ] {
            assert_eq!(current(given, false), (now.to_owned(), true));
        }
        let all = current("exportctl webhook list --json", true);
        assert_eq!(
            all,
            ("exportctl admin webhook list --json".to_owned(), true)
        );
    }

    #[test]
    fn other_commands_stay_as_they_are() {
        for (line, is_operator) in [
            ("exportctl", true),
            ("exportctl --help", true),
            ("exportctl admin migrate", true),
            ("exportctl export list", true),
            ("exportctl webhook list", false),
            ("exportctl webhook show 0193", true),
        ] {
            assert_eq!(current(line, is_operator), (line.to_owned(), false));
        }
    }
}
