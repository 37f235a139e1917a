//! Secrets from files: `NAME_FILE` is the path of a file with the value of `NAME`.
//!
//! A secret is never an argument: every user of the machine can read the arguments of a process.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use exports_domain::io_reason;
use exports_objects::secret_variables;

/// The variables that hold secrets.
const SECRETS: [&str; 6] = [
    "DATABASE_URL",
    "EXPORTS_API_KEY",
    "EXPORTS_MANIFEST_KEY",
    "EXPORTS_SIGNING_KEY",
    "EXPORTS_SIGNING_KEY_PREVIOUS",
    "EXPORTS_SOURCE_DATABASE_URL",
];
/// Longer than any secret, so that a wrong path does not fill the memory.
const MAX_BYTES: u64 = 64 * 1024;

/// Whether a variable of the programs holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Whether this is the name of a variable with the path of a secret.
pub(super) fn is_file_variable(name: &str) -> bool {
    name.strip_suffix("_FILE")
        .is_some_and(|name| SECRETS.contains(&name))
}

/// Gives every secret of the command that comes from a file its value. An error is one line.
pub(super) fn read_secret_files(
    mut command: Command,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Result<Command, String> {
    for (id, name) in secrets_of(&command) {
        let Some(value) = secret(name, variable)? else {
            continue;
        };
        // clap wants default values that live as long as the process, and so do the settings.
        let value: &'static OsStr = Box::leak(OsString::from(value).into_boxed_os_str());
        command = command.mut_arg(id, |argument| {
            argument
                .required(false)
                .default_value(value)
                .hide_default_value(true)
        });
    }
    let subcommands: Vec<_> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    for name in subcommands {
        let subcommand = command
            .find_subcommand(&name)
            .cloned()
            .expect("the name of a subcommand");
        let subcommand = read_secret_files(subcommand, variable)?;
        command = command.mut_subcommand(name, |_| subcommand);
    }
    Ok(command)
}

/// The value of a secret that comes from a file. An error is one line.
fn secret(
    name: &str,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, String> {
    let file_variable = format!("{name}_FILE");
    let Some(path) = variable(&file_variable) else {
        return Ok(None);
    };
    if variable(name).is_some() {
        return Err(format!(
            "{name} and {file_variable} are both set: unset one of them"
        ));
    }
    if path.is_empty() {
        return Err(format!(
            "{file_variable} must be the path of a file, and is empty"
        ));
    }
    let shown = path.display();
    let value = read(&path).map_err(|error| {
        format!(
            "{file_variable}: cannot read {shown}: {}",
            io_reason(&error)
        )
    })?;
    if value.trim().is_empty() {
        return Err(format!(
            "{file_variable}: {shown} is empty: write the secret into it"
        ));
    }
    Ok(Some(value))
}

/// The environment of this process for the store with this URL, with the secrets of its cloud that come from files.
pub(crate) fn store_variables(store_url: &str) -> Result<Vec<(String, String)>, String> {
    let text = |(name, value): (OsString, OsString)| {
        let name = name.into_string().ok()?;
        Some((name, value.to_string_lossy().into_owned()))
    };
    let mut variables: Vec<_> = std::env::vars_os().filter_map(text).collect();
    for name in secret_variables(store_url) {
        // An empty variable of a cloud counts as unset.
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(value) = secret(name, &variable)? {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), value));
        }
    }
    Ok(variables)
}

/// A variable in messages: its name or, if its value comes from a file, the variable and the path of the file.
pub(crate) fn subject(variable: &str) -> String {
    let file_variable = format!("{variable}_FILE");
    match std::env::var_os(&file_variable) {
        Some(path) if is_secret(variable) || is_secret_of_a_store(variable) => {
            format!("{file_variable} ({})", path.display())
        }
        _ => variable.to_owned(),
    }
}

fn is_secret_of_a_store(name: &str) -> bool {
    let mut secrets = ["s3://", "gs://", "az://"]
        .into_iter()
        .flat_map(secret_variables);
    secrets.any(|secret| *secret == name)
}

/// An error, as one line, if a secret was given as an argument.
pub(super) fn refuse_secret_arguments(
    command: &Command,
    matches: &ArgMatches,
) -> Result<(), String> {
    for (id, name) in secrets_of(command) {
        if matches.value_source(&id) == Some(ValueSource::CommandLine) {
            return Err(format!(
                "--{id} must not be an argument, which other users of this machine can read: set {name} or {name}_FILE",
                id = id.replace('_', "-")
            ));
        }
    }
    match matches.subcommand() {
        None => Ok(()),
        Some((name, matches)) => command
            .find_subcommand(name)
            .map_or(Ok(()), |command| refuse_secret_arguments(command, matches)),
    }
}

/// The ids and the variables of a command's secrets.
fn secrets_of(command: &Command) -> Vec<(String, &'static str)> {
    let arguments = command.get_arguments().filter_map(|argument| {
        let variable = argument.get_env()?.to_str()?;
        let name = SECRETS.into_iter().find(|name| *name == variable)?;
        Some((argument.get_id().to_string(), name))
    });
    arguments.collect()
}

fn read(path: &OsStr) -> io::Result<String> {
    let mut value = String::new();
    let mut file = File::open(path)?.take(MAX_BYTES + 1);
    file.read_to_string(&mut value)?;
    if value.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

    use super::*;
    use crate::settings::{ApiSettings, DatabaseSettings, ExposeSecret};

    const KEY: &str = "a signing key for tests, which is long enough";

    #[derive(Debug, Parser)]
    struct Program {
        #[command(subcommand)]
        command: Inner,
    }

    #[derive(Debug, Subcommand)]
    enum Inner {
        Run {
            #[command(flatten)]
            api: Box<ApiSettings>,
        },
        Migrate {
            #[command(flatten)]
            database: Box<DatabaseSettings>,
        },
    }

    fn parse(path: &str, arguments: &[&str]) -> Result<String, String> {
        let variable = |name: &str| (name == "EXPORTS_SIGNING_KEY_FILE").then(|| path.into());
        let command = read_secret_files(Program::command(), &variable)?;
        let arguments = ["program", "run"].iter().chain(arguments);
        let mut matches = command
            .clone()
            .try_get_matches_from(arguments)
            .map_err(|error| error.to_string())?;
        refuse_secret_arguments(&command, &matches)?;
        let program = Program::from_arg_matches_mut(&mut matches).map_err(|e| e.to_string())?;
        let Inner::Run { api } = program.command else {
            panic!("another command")
        };
        Ok(api.signing_key.unwrap().expose_secret().to_owned())
    }

    fn file(content: &[u8]) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, content).unwrap();
        (folder, path.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_trimmed() {
        for end in ["", "\n", "\r\n", " \n\n"] {
            let (_folder, path) = file(format!("{KEY}{end}").as_bytes());
            assert_eq!(parse(&path, &[]).unwrap(), KEY, "{end:?}");
        }
    }

    #[test]
    fn a_required_secret_may_come_from_a_file() {
        let (_folder, path) = file(b"postgres://host/database\n");
        let variable = |name: &str| (name == "DATABASE_URL_FILE").then(|| path.clone().into());
        let command = read_secret_files(Program::command(), &variable).unwrap();
        let mut matches = command.get_matches_from(["program", "migrate"]);
        let program = Program::from_arg_matches_mut(&mut matches).unwrap();
        let Inner::Migrate { database } = program.command else {
            panic!("another command")
        };
        let url = database.database_url.expose_secret();
        assert_eq!(url, "postgres://host/database");
    }

    #[test]
    fn the_help_does_not_show_a_secret() {
        let (_folder, path) = file(KEY.as_bytes());
        let help = parse(&path, &["--help"]).unwrap_err();
        assert!(help.contains("EXPORTS_SIGNING_KEY"), "{help}");
        assert!(!help.contains(KEY), "{help}");
    }

    #[test]
    fn an_unreadable_file_gives_one_line_with_its_path() {
        let (folder, path) = file(&[0xff; 40]);
        let missing = folder.path().join("none").to_str().unwrap().to_owned();
        let (_large_folder, large) = file(&vec![b'x'; 64 * 1024 + 1]);
        for path in [&path, &missing, &large] {
            let line = parse(path, &[]).unwrap_err();
            let start = format!("EXPORTS_SIGNING_KEY_FILE: cannot read {path}: ");
            assert!(line.starts_with(&start) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_variable_and_its_file_exclude_each_other() {
        let both = |_: &str| Some(OsString::from("/dev/null"));
        let error = read_secret_files(Program::command(), &both).unwrap_err();
        let line =
            "EXPORTS_SIGNING_KEY and EXPORTS_SIGNING_KEY_FILE are both set: unset one of them";
        assert_eq!(error, line);
    }

    #[test]
    fn a_secret_is_refused_as_an_argument_without_printing_it() {
        let (_folder, path) = file(KEY.as_bytes());
        let line = parse(
            &path,
            &["--signing-key", "another key, which is long enough"],
        );
        let line = line.unwrap_err();
        assert!(
            line.starts_with("--signing-key must not be an argument"),
            "{line}"
        );
        assert!(!line.contains("another key"), "{line}");
    }

    #[test]
    fn the_names_of_the_files_are_known() {
        assert!(is_file_variable("EXPORTS_SIGNING_KEY_PREVIOUS_FILE"));
        assert!(!is_file_variable("EXPORTS_SIGNING_KEY"));
        assert!(!is_file_variable("EXPORTS_LEASE_FILE"));
    }
}
