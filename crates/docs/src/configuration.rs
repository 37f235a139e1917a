//! The tables of `docs/configuration.md`: every variable, its default, the programs that use it, and what it does, from
//! the arguments of the programs.

use std::collections::BTreeSet;

use clap::{Arg, Command, CommandFactory};

use crate::markdown::{cell, code_cell, without_period};
use crate::page::Page;

/// Where the documentation has more about a variable.
const MORE: &[(&str, &str)] = &[
    ("DATABASE_URL", "[addresses](#database-addresses)"),
    ("EXPORTS_API_URL", "[exportctl](exportctl.md)"),
    ("EXPORTS_API_KEY", "[exportctl](exportctl.md)"),
    ("EXPORTS_CONSOLE", "[console](console.md)"),
    ("EXPORTS_CORS_ORIGINS", "[browsers](#browsers)"),
    ("EXPORTS_MANIFEST_KEY", "[manifests](api.md#the-manifest)"),
    (
        "EXPORTS_MAX_CONNECTIONS",
        "[connections](limits.md#connections-and-requests)",
    ),
    (
        "EXPORTS_MAX_STREAMS_PER_PROJECT",
        "[waiting](api.md#waiting)",
    ),
    (
        "EXPORTS_OBJECT_STORE_URL",
        "[variables of the stores](#object-store-variables)",
    ),
    ("EXPORTS_READERS", "[readers](operating.md#readers)"),
    (
        "EXPORTS_REQUESTS_PER_KEY",
        "[limits](limits.md#limits-of-a-key-or-project)",
    ),
    ("EXPORTS_SIGNING_KEY", "[downloading](api.md#downloading)"),
    (
        "EXPORTS_SIGNING_KEY_PREVIOUS",
        "[replacing the key](security.md#keys-and-projects)",
    ),
    ("EXPORTS_STALL_TIMEOUT", "[timeouts](timeouts.md)"),
    (
        "EXPORTS_STARTUP_TIMEOUT",
        "[starting](operating.md#starting)",
    ),
    ("EXPORTS_TLS_CERT", "[HTTPS](security.md#on-the-apis-port)"),
    (
        "EXPORTS_UPLOAD_MEMORY",
        "[the size of a file](stores.md#the-size-of-a-file), [memory](../deploy/RUNBOOK.md#memory)",
    ),
    (
        "EXPORTS_WEBHOOK_ALLOWED_NETWORKS",
        "[webhooks](api.md#webhooks)",
    ),
];

/// The page.
pub(crate) fn page() -> Page {
    let services = [
        Service::new("API", &exports_api::Settings::command()),
        Service::new("worker", &exports_worker::Settings::command()),
    ];
    let groups = exports_service::settings::groups();
    let tables: Vec<_> = groups.iter().map(|group| table(group, &services)).collect();
    check_links(&groups);
    Page::part("docs/configuration.md", &tables.join("\n\n"))
}

/// A program and the variables that it uses.
struct Service {
    name: &'static str,
    variables: BTreeSet<String>,
}

impl Service {
    fn new(name: &'static str, command: &Command) -> Self {
        let variables = command.get_arguments().filter_map(variable).collect();
        Self { name, variables }
    }
}

fn table(group: &Command, services: &[Service]) -> String {
    let about = group.get_about().expect("a group has a title");
    let rows = group.get_arguments().filter_map(|argument| {
        let name = variable(argument)?;
        let users = users(&name, services);
        let (default, meaning) = default_and_meaning(argument);
        let name = code_cell(&name);
        Some(format!("| {name} | {default} | {users} | {meaning} |"))
    });
    let rows: Vec<_> = rows.collect();
    format!(
        "### {about}\n\n| variable | default | used by | meaning |\n|---|---|---|---|\n{}",
        rows.join("\n")
    )
}

fn variable(argument: &Arg) -> Option<String> {
    Some(argument.get_env()?.to_str()?.to_owned())
}

fn users(name: &str, services: &[Service]) -> String {
    let users: Vec<_> = services
        .iter()
        .filter(|service| service.variables.contains(name))
        .map(|service| service.name)
        .collect();
    match users.as_slice() {
        [] => "`exportctl`".to_owned(),
        users => users.join(", "),
    }
}

/// A default that depends on the machine or on other variables is a part of the help text: `[default: …]`.
fn default_and_meaning(argument: &Arg) -> (String, String) {
    let short = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let help = argument.get_long_help().map(ToString::to_string);
    let help = help.unwrap_or_else(|| short.clone());
    let (default, help) = match help.split_once(" [default: ") {
        Some((before, rest)) => {
            let (default, after) = rest.split_once(']').expect("a closing bracket");
            (cell(default), format!("{before}{after}"))
        }
        None => (declared_default(argument), help),
    };
    let name = variable(argument).unwrap_or_default();
    let more = MORE.iter().find(|(known, _)| *known == name);
    let more = more.map_or_else(String::new, |(_, links)| format!(" ({links})"));
    let paragraphs: Vec<_> = help
        .split("\n\n")
        .map(|paragraph| without_period(paragraph.trim()).to_owned())
        .collect();
    (default, cell(&format!("{}{more}", paragraphs.join(". "))))
}

fn declared_default(argument: &Arg) -> String {
    let values: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    match values.as_slice() {
        [] if argument.is_required_set() => "required".to_owned(),
        [] => "–".to_owned(),
        values => code_cell(&values.join(",")),
    }
}

/// A renamed variable must not lose its link.
fn check_links(groups: &[Command]) {
    let known: BTreeSet<_> = groups
        .iter()
        .flat_map(Command::get_arguments)
        .filter_map(variable)
        .collect();
    for (name, _) in MORE {
        assert!(known.contains(*name), "{name} is not a variable");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_in_the_help_text_is_in_its_column() {
        let argument = Arg::new("readers").help("Connections [default: the cores]");
        let (default, meaning) = default_and_meaning(&argument);
        assert_eq!(
            (default.as_str(), meaning.as_str()),
            ("the cores", "Connections")
        );
    }

    #[test]
    fn the_paragraphs_of_a_long_text_are_sentences() {
        let argument = Arg::new("one")
            .help("First")
            .long_help("First\n\nSecond, on\ntwo lines.");
        assert_eq!(
            default_and_meaning(&argument).1,
            "First. Second, on two lines"
        );
    }
}
