//! The subcommand `healthcheck` of both services, for container images without a shell or `curl`.
//!
//! It is recognised before the settings of the service are parsed, because it does not need the required
//! ones. `probe` sends the request.

mod probe;
mod socket;
mod target;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use exports_domain::error_line;

use crate::logging::print_error;
use crate::settings::{SettingsError, try_parse_from};

use probe::probe;

pub use target::Target;

const NAME: &str = "healthcheck";

/// The description of the subcommand for `--help`.
pub const HELP: &str = "Commands:\n  healthcheck  Checks whether the program that runs with this environment is ready; exits with 0 or 1";

/// Runs the subcommand if it is the first argument; otherwise `None`.
///
/// `target` returns the listener in the parsed settings, or one line that says why there is none. The
/// exit code is 0 if the program is ready, and 1 otherwise: Docker defines only these two.
pub fn run<T: Parser>(target: impl FnOnce(T) -> Result<Target, String>) -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    if arguments.next()? != NAME {
        return None;
    }
    let arguments = std::iter::once(program).chain(arguments);
    Some(match check(arguments, target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CheckError::CommandLine(error)) => {
            // If this fails, the terminal is closed: the error cannot be reported.
            error.print().ok();
            ExitCode::from(u8::from(error.use_stderr()))
        }
        Err(CheckError::NotReady(line)) => {
            print_error(&line);
            ExitCode::FAILURE
        }
    })
}

enum CheckError {
    /// The message of clap; this may be the help text.
    CommandLine(clap::Error),
    /// The reason, as one line.
    NotReady(String),
}

fn check<T: Parser>(
    arguments: impl Iterator<Item = OsString>,
    target: impl FnOnce(T) -> Result<Target, String>,
) -> Result<(), CheckError> {
    let settings = try_parse_from(arguments).map_err(|error| match error {
        SettingsError::Invalid(line) => CheckError::NotReady(line),
        SettingsError::CommandLine(error) => CheckError::CommandLine(error),
    })?;
    let target = target(settings).map_err(CheckError::NotReady)?;
    probe(target).map_err(|error| CheckError::NotReady(error_line(&error)))
}
