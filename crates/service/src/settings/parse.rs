//! Parses the settings of a program. An error is one line that names the variable or the option.

use std::ffi::OsString;

use clap::{Command, CommandFactory, Parser};

use crate::logging::print_error;
use crate::settings::command_line::CommandLine;
use crate::settings::names::refuse_unknown;
use crate::settings::secret_files::{read_secret_files, refuse_secret_arguments};

/// The settings are invalid.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A variable, an option or a command is invalid: one line.
    #[error("{0}")]
    Invalid(String),
    /// The command line requests help: the text of clap.
    #[error(transparent)]
    CommandLine(clap::Error),
}

/// Parses the settings of this process. If they are invalid, prints one line and exits with code 2.
#[must_use]
pub fn parse<T: Parser>() -> T {
    parse_from(std::env::args_os())
}

/// Like [`parse`], but with these arguments.
#[must_use]
pub fn parse_from<T: Parser>(arguments: impl IntoIterator<Item = OsString>) -> T {
    match try_parse_from(arguments) {
        Ok(settings) => settings,
        Err(SettingsError::CommandLine(error)) => error.exit(),
        Err(SettingsError::Invalid(line)) => {
            print_error(&line);
            std::process::exit(2);
        }
    }
}

/// Like [`parse_from`], but returns the error. Uses the environment of this process.
pub fn try_parse_from<T: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<T, SettingsError> {
    let names = std::env::vars_os().map(|(name, _)| name);
    refuse_unknown(names).map_err(SettingsError::Invalid)?;
    let arguments: Vec<_> = arguments.into_iter().collect();
    let command = <T as CommandFactory>::command();
    let variable = |name: &str| std::env::var_os(name);
    let mut command = read_secret_files(command, &variable).map_err(SettingsError::Invalid)?;
    // Required before the arguments of subcommands can be formatted.
    command.build();
    let to_error = |error: clap::Error, command: &Command| {
        let arguments = arguments.as_slice();
        match (CommandLine { command, arguments }).line(&error) {
            Some(line) => SettingsError::Invalid(line),
            None => SettingsError::CommandLine(error),
        }
    };
    let mut matches = command
        .try_get_matches_from_mut(&arguments)
        .map_err(|error| to_error(error, &command))?;
    refuse_secret_arguments(&command, &matches).map_err(SettingsError::Invalid)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| to_error(error, &command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ApiSettings, LogSettings, WorkerSettings, number};

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        api: ApiSettings,
        #[command(flatten)]
        worker: WorkerSettings,
        #[command(flatten)]
        log: LogSettings,
    }

    fn error_line<T: Parser + std::fmt::Debug>(arguments: &[&str]) -> String {
        let arguments = std::iter::once(&"program")
            .chain(arguments)
            .map(OsString::from);
        match try_parse_from::<T>(arguments).unwrap_err() {
            SettingsError::Invalid(line) => line,
            SettingsError::CommandLine(error) => panic!("more than one line: {error}"),
        }
    }

    #[test]
    fn an_invalid_option_gives_one_line_with_its_name() {
        for (arguments, line) in [
            (
                &["--lease", "soon"][..],
                "--lease must be a time with a unit such as 90s, 15m or 7d, not \"soon\"",
            ),
            (
                &["--concurrency=0"],
                "--concurrency must be 1 to 256, not \"0\"",
            ),
            (
                &["--log-format", "xml"],
                "--log-format must be text or json, not \"xml\"",
            ),
            (
                &["--signing-key", "hunter2"],
                "--signing-key must be 32 bytes or more: it has 7",
            ),
            (
                &["--leese", "30s"],
                "--leese is not an option: did you mean --lease?",
            ),
            (&["--lease"], "--lease must have a value"),
            (
                &["now"],
                "\"now\" is not expected here: --help shows the usage",
            ),
        ] {
            assert_eq!(error_line::<Program>(arguments), line);
        }
    }

    #[derive(Debug, Parser)]
    enum Commands {
        Run {
            #[arg(long, default_value_t = 1, value_parser = number(1_u8..=9))]
            count: u8,
            #[arg(long, conflicts_with = "count")]
            all: bool,
            #[arg(value_name = "FILE")]
            file: String,
        },
    }

    #[test]
    fn an_invalid_command_gives_one_line() {
        for (arguments, line) in [
            (
                &["runn"][..],
                "\"runn\" is not a command: did you mean run?",
            ),
            (&["run"], "FILE must be given"),
            (
                &["run", "--count", "0", "a"],
                "--count must be 1 to 9, not \"0\"",
            ),
            (
                &["run", "--count", "2", "--all", "a"],
                "--count and --all exclude each other: use one of them",
            ),
            (
                &["run", "--all", "--all", "a"],
                "--all must be given only once",
            ),
        ] {
            assert_eq!(error_line::<Commands>(arguments), line);
        }
    }

    #[test]
    fn help_has_the_text_of_clap() {
        let help = try_parse_from::<Program>(["program", "--help"].map(OsString::from));
        assert!(matches!(help, Err(SettingsError::CommandLine(_))));
    }
}
