//! `exports-api healthcheck` and `exports-worker healthcheck`: for images that have neither a shell
//! nor `curl`.
//!
//! `probe` asks one address. What is here is the subcommand: recognised before a program's own
//! settings are parsed, because a check needs none of those that are required.

mod probe;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use exports_domain::error_line;

use crate::logging::print_error;
use crate::settings::{SettingsError, try_parse_from};

pub use probe::{NotReady, TIMEOUT, ask};

/// The subcommand's name.
const NAME: &str = "healthcheck";

/// What each program's `--help` says of the subcommand.
pub const HELP: &str = "Commands:\n  healthcheck  Asks the program that runs with this environment whether it is ready; exits with 0 or 1";

/// Runs the subcommand if this process was asked for it; `None` if not.
///
/// `address` takes the program's listen address out of the settings that the check parses, or
/// says in one line why there is none. The exit code is 0 if the program is ready and 1 if it is
/// not, whatever the reason: those are the two that Docker knows.
pub fn run<T: Parser>(address: impl FnOnce(T) -> Result<SocketAddr, String>) -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    if arguments.next()? != NAME {
        return None;
    }
    let arguments = std::iter::once(program).chain(arguments);
    Some(match check(arguments, address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refused::CommandLine(error)) => {
            // There is nobody to tell where the terminal has gone.
            error.print().ok();
            ExitCode::from(u8::from(error.use_stderr()))
        }
        Err(Refused::NotReady(line)) => {
            print_error(&line);
            ExitCode::FAILURE
        }
    })
}

enum Refused {
    /// clap's own text, which may be help that was asked for.
    CommandLine(clap::Error),
    /// One line.
    NotReady(String),
}

fn check<T: Parser>(
    arguments: impl Iterator<Item = OsString>,
    address: impl FnOnce(T) -> Result<SocketAddr, String>,
) -> Result<(), Refused> {
    let settings = try_parse_from(arguments).map_err(|error| match error {
        SettingsError::Wrong(line) => Refused::NotReady(line),
        SettingsError::CommandLine(error) => Refused::CommandLine(error),
    })?;
    let address = address(settings).map_err(Refused::NotReady)?;
    ask(address).map_err(|error| Refused::NotReady(error_line(&error)))
}
