//! Parses the settings of a program. An error is one line that names the variable.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Parser};

use crate::logging::print_error;
use crate::settings::groups::NAMES;
use crate::settings::secret_files::{is_file_variable, read_secret_files, refuse_secret_arguments};

/// The settings are invalid.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A variable or its value is invalid: one line.
    #[error("{0}")]
    Invalid(String),
    /// The command line is invalid or requests help: the message of clap.
    #[error(transparent)]
    CommandLine(clap::Error),
}

/// Parses the settings of this process. If they are invalid, prints one line and exits with code 2.
#[must_use]
pub fn parse<T: Parser>() -> T {
    match try_parse_from(std::env::args_os()) {
        Ok(settings) => settings,
        Err(SettingsError::CommandLine(error)) => error.exit(),
        Err(SettingsError::Invalid(line)) => {
            print_error(&line);
            std::process::exit(2);
        }
    }
}

/// Like [`parse`], but with these arguments, and returns the error. Uses the environment of this process.
pub fn try_parse_from<T: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<T, SettingsError> {
    refuse_unknown_names(std::env::vars_os().map(|(name, _)| name))?;
    let command = <T as CommandFactory>::command();
    let variable = |name: &str| std::env::var_os(name);
    let mut command = read_secret_files(command, &variable).map_err(SettingsError::Invalid)?;
    // Required before the arguments of subcommands can be formatted.
    command.build();
    let to_error = |error: clap::Error, command: &Command| match one_line(&error, command) {
        Some(line) => SettingsError::Invalid(line),
        None => SettingsError::CommandLine(error),
    };
    let mut matches = command
        .try_get_matches_from_mut(arguments)
        .map_err(|error| to_error(error, &command))?;
    refuse_secret_arguments(&command, &matches).map_err(SettingsError::Invalid)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| to_error(error, &command))
}

/// Otherwise a misspelt variable would silently mean the default.
fn refuse_unknown_names(names: impl Iterator<Item = OsString>) -> Result<(), SettingsError> {
    let unknown = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("EXPORTS_"))
        .find(|name| !NAMES.contains(&name.as_str()) && !is_file_variable(name));
    match unknown {
        None => Ok(()),
        Some(name) => Err(SettingsError::Invalid(format!(
            "{name} is not a setting; unset it, or correct its name (--help lists them)"
        ))),
    }
}

/// The error as one line; `None` if it is not about a variable.
fn one_line(error: &clap::Error, command: &Command) -> Option<String> {
    let variable = |text: &str| {
        arguments_of(command).into_iter().find_map(|argument| {
            let name = argument.get_env()?.to_str()?.to_owned();
            (argument.to_string() == text).then_some((name, argument.is_hide_env_values_set()))
        })
    };
    match (error.kind(), error.get(ContextKind::InvalidArg)?) {
        (ErrorKind::MissingRequiredArgument, ContextValue::Strings(missing)) => {
            let names: Vec<_> = missing
                .iter()
                .filter_map(|text| Some(variable(text)?.0))
                .collect();
            (names.len() == missing.len()).then(|| format!("{} must be set", names.join(" and ")))
        }
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, ContextValue::String(text)) => {
            let (name, secret) = variable(text)?;
            let value = match error.get(ContextKind::InvalidValue) {
                Some(ContextValue::String(value)) if !secret => format!(" {value:?}"),
                _ => String::new(),
            };
            Some(format!("{name}: invalid value{value}: {}", reason(error)))
        }
        _ => None,
    }
}

fn reason(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue) {
        return format!("expected {}", valid.join(" or "));
    }
    std::error::Error::source(error).map_or_else(
        || "a value is required".to_owned(),
        |source| source.to_string().replace('\n', " "),
    )
}

/// The arguments of a command and of its subcommands, at every depth.
fn arguments_of(command: &Command) -> Vec<&clap::Arg> {
    let nested = command.get_subcommands().flat_map(arguments_of);
    command.get_arguments().chain(nested).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ApiSettings, LogSettings, WorkerSettings};

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        api: ApiSettings,
        #[command(flatten)]
        worker: WorkerSettings,
        #[command(flatten)]
        log: LogSettings,
    }

    fn error_line(flag: &str, value: &str) -> String {
        let arguments = ["program", flag, value].map(OsString::from);
        try_parse_from::<Program>(arguments)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_invalid_value_gives_one_line_with_the_variable_name() {
        for (flag, value, line) in [
            (
                "--lease",
                "soon",
                "EXPORTS_LEASE: invalid value \"soon\": expected a duration such as 90s, 15m or 7d",
            ),
            (
                "--concurrency",
                "0",
                "EXPORTS_CONCURRENCY: invalid value \"0\": 0 is not in 1..=256",
            ),
            (
                "--log-format",
                "xml",
                "EXPORTS_LOG_FORMAT: invalid value \"xml\": expected text or json",
            ),
            (
                "--listen",
                "nowhere",
                "EXPORTS_LISTEN: invalid value \"nowhere\": invalid socket address syntax",
            ),
            (
                "--signing-key",
                "hunter2",
                "EXPORTS_SIGNING_KEY: invalid value: must be 32 bytes or more, it has 7",
            ),
        ] {
            assert_eq!(error_line(flag, value), line);
        }
    }

    #[derive(Debug, Parser)]
    enum Commands {
        Run {
            #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
            count: u8,
        },
    }

    #[test]
    fn an_invalid_argument_that_is_not_a_variable_has_the_message_of_clap() {
        let arguments = ["program", "run", "--count", "0"].map(OsString::from);
        let error = try_parse_from::<Commands>(arguments).unwrap_err();
        assert!(matches!(error, SettingsError::CommandLine(_)));
        assert!(error.to_string().contains("--count"), "{error}");
    }

    #[test]
    fn unknown_variables_are_rejected() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(OsString::from)
                .collect::<Vec<_>>()
                .into_iter()
        };
        assert!(
            refuse_unknown_names(names(&[
                "PATH",
                "EXPORTS_LEASE",
                "EXPORTS_SIGNING_KEY_FILE"
            ]))
            .is_ok()
        );
        let error = refuse_unknown_names(names(&["EXPORTS_LEESE"])).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("EXPORTS_LEESE is not a setting")
        );
    }
}
