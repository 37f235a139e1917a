//! The errors of clap, as one line that starts with the name of the variable or the option.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use exports_domain::{UnknownName, error_line};

use crate::settings::names::misspelt;
use crate::settings::secret_files::subject;

/// Values in messages are cut off after this many characters.
const MAX_VALUE: usize = 64;

/// A command and the arguments that it was given.
pub(super) struct CommandLine<'a> {
    pub(super) command: &'a Command,
    pub(super) arguments: &'a [OsString],
}

impl CommandLine<'_> {
    /// The error as one line. `None` if it is a request for help, whose text has many.
    pub(super) fn line(&self, error: &Error) -> Option<String> {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            _ => String::new(),
        };
        let argument = text(ContextKind::InvalidArg);
        Some(match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
            ErrorKind::UnknownArgument if argument.starts_with('-') => {
                let meant = suggestion(error, ContextKind::SuggestedArg);
                let meant = meant.unwrap_or_else(|| "--help lists the options".to_owned());
                format!("{argument} is not an option: {meant}")
            }
            ErrorKind::UnknownArgument => {
                format!("{argument:?} is not expected here: --help shows the usage")
            }
            ErrorKind::InvalidSubcommand => {
                let meant = suggestion(error, ContextKind::SuggestedSubcommand);
                let meant = meant.unwrap_or_else(|| "--help lists the commands".to_owned());
                let name = text(ContextKind::InvalidSubcommand);
                format!("{name:?} is not a command: {meant}")
            }
            ErrorKind::MissingRequiredArgument => self.missing(error),
            ErrorKind::ArgumentConflict => self.conflict(&argument, error),
            ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
                self.invalid(&argument, &text(ContextKind::InvalidValue), error)
            }
            _ => first_line(error),
        })
    }

    fn missing(&self, error: &Error) -> String {
        let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
            return first_line(error);
        };
        let names: Vec<_> = missing.iter().map(|text| self.name(text)).collect();
        let is_variable = |name: &String| {
            missing
                .iter()
                .any(|text| self.variable(text).as_ref() == Some(name))
        };
        let given = if names.iter().all(is_variable) {
            "set"
        } else {
            "given"
        };
        let meant = match names.as_slice() {
            [name] if is_variable(name) => {
                misspelt(name, std::env::vars_os().map(|(name, _)| name))
            }
            _ => None,
        };
        let meant = meant.map_or_else(String::new, |name| format!(": is it misspelt as {name}?"));
        format!("{} must be {given}{meant}", names.join(" and "))
    }

    fn conflict(&self, argument: &str, error: &Error) -> String {
        let one = self.name(argument);
        match error.get(ContextKind::PriorArg) {
            Some(ContextValue::String(other)) if other != argument => {
                format!(
                    "{one} and {} exclude each other: use one of them",
                    self.name(other)
                )
            }
            Some(ContextValue::String(_)) => format!("{one} must be given only once"),
            _ => first_line(error),
        }
    }

    fn invalid(&self, argument: &str, value: &str, error: &Error) -> String {
        let name = self.name(argument);
        if value.is_empty()
            && self.is_option(argument)
            && error.get(ContextKind::InvalidValue).is_some()
        {
            return format!("{name} must have a value");
        }
        let rule = rule(error);
        let is_hidden = self.find(argument).is_some_and(Arg::is_hide_env_values_set);
        if value.is_empty() {
            format!("{name} {rule}, and is empty")
        } else if !rule.starts_with("must") {
            format!("{name}: {rule}")
        } else if is_hidden || rule.starts_with("must not") {
            format!("{name} {rule}")
        } else {
            let value: String = value.chars().take(MAX_VALUE).collect();
            format!("{name} {rule}, not {value:?}")
        }
    }

    /// The name of an argument as the operator has used it: the variable, the option, or the position.
    fn name(&self, argument: &str) -> String {
        match self.variable(argument) {
            Some(variable) if !self.is_option(argument) => subject(&variable),
            _ => self.option(argument).unwrap_or_else(|| {
                argument
                    .trim_matches(|c: char| "<>[].".contains(c))
                    .to_owned()
            }),
        }
    }

    fn find(&self, argument: &str) -> Option<&Arg> {
        let arguments = arguments_of(self.command).into_iter();
        let mut found = arguments.filter(|known| known.to_string() == argument);
        found.next()
    }

    fn variable(&self, argument: &str) -> Option<String> {
        Some(self.find(argument)?.get_env()?.to_str()?.to_owned())
    }

    fn option(&self, argument: &str) -> Option<String> {
        Some(format!("--{}", self.find(argument)?.get_long()?))
    }

    /// Whether the argument was given as an option, and not as a variable.
    fn is_option(&self, argument: &str) -> bool {
        let Some(option) = self.option(argument) else {
            return false;
        };
        let with_value = format!("{option}=");
        self.arguments.iter().any(|given| {
            given == option.as_str() || given.to_string_lossy().starts_with(&with_value)
        })
    }
}

/// What the value must be. Most parsers say so themselves.
fn rule(error: &Error) -> String {
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue) {
        return format!("must be {}", alternatives(valid.iter().map(String::as_str)));
    }
    let Some(source) = std::error::Error::source(error) else {
        return "must have a value".to_owned();
    };
    if let Some(unknown) = source.downcast_ref::<UnknownName>() {
        return format!("must be {}", alternatives(unknown.known().split(", ")));
    }
    error_line(source)
}

/// `a, b or c`.
fn alternatives<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        names => names.concat(),
    }
}

/// What clap suggests. It lists the most similar name last.
fn suggestion(error: &Error, kind: ContextKind) -> Option<String> {
    let name = match error.get(kind)? {
        ContextValue::String(name) => name,
        ContextValue::Strings(names) => names.last()?,
        _ => return None,
    };
    Some(format!("did you mean {name}?"))
}

/// For the other kinds of errors, which are rare.
fn first_line(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// The arguments of a command and of its subcommands, at every depth.
fn arguments_of(command: &Command) -> Vec<&Arg> {
    let nested = command.get_subcommands().flat_map(arguments_of);
    command.get_arguments().chain(nested).collect()
}
