//! `exportctl`: the commands for consumers and for operators, and the demo.

mod audit;
mod client;
mod commands;
mod error;
mod output;
mod profile;
mod progress;
mod signals;
mod table;

use std::io::IsTerminal;
use std::process::ExitCode;

use error::Error;
use exports_domain::error_line;

#[tokio::main]
async fn main() -> ExitCode {
    let given = std::env::args_os().collect();
    let (arguments, note) = commands::current_spelling(given);
    if let Some(note) = note {
        output::note(&note);
    }
    let arguments: commands::Arguments = exports_service::settings::parse_from(arguments);
    match arguments.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ (Error::BrokenPipe | Error::Findings)) => error.exit_code(),
        Err(error) => {
            // The last line of the terminal is a progress bar or ^C.
            if matches!(error, Error::Interrupted { .. }) && std::io::stderr().is_terminal() {
                output::note("");
            }
            output::note(&format!("error: {}", error_line(&error)));
            error.exit_code()
        }
    }
}
