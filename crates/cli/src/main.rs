//! `exportctl`: what an operator does by hand, and the demo of the whole system.

mod client;
mod commands;
mod error;
mod output;
mod progress;
mod signals;
mod table;

use std::io::IsTerminal;
use std::process::ExitCode;

use error::Error;
use exports_domain::error_line;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: commands::Arguments = exports_service::settings::parse();
    match arguments.run().await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it has seen enough.
        Err(error @ Error::ReaderGone) => error.exit_code(),
        Err(error) => {
            // What is on the terminal's last line is a progress bar, or ^C.
            if matches!(error, Error::Interrupted { .. }) && std::io::stderr().is_terminal() {
                output::note("");
            }
            output::note(&format!("error: {}", error_line(&error)));
            error.exit_code()
        }
    }
}
