//! The set-up of logs: standard error, text or JSON, levels by `RUST_LOG`.
//!
//! Whatever becomes of standard error (see `log_writer`), the process goes on: nothing here or in
//! the programs uses `eprintln!`, which panics if it cannot write and waits if nobody reads.

mod output;
mod writer;

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::LogFormat;
use writer::LogWriter;

pub use output::log_lines_lost;

/// How long a program that ends waits for somebody to read why.
const LAST_LINE: Duration = Duration::from_secs(1);

/// Of this process, once its logs are set up.
static LOG: OnceLock<LogWriter> = OnceLock::new();

/// Logs cannot be set up: one line.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The levels are not understood.
    #[error("{0}")]
    Levels(tracing_subscriber::filter::FromEnvError),
    /// Something else in the process has set up logs before.
    #[error("logs are already set up")]
    Twice,
    /// The system refuses the thread that writes.
    #[error("the thread that writes the log cannot be started: {0}")]
    Thread(io::Error),
}

/// Sets up the logs of this process: `info` and up unless `RUST_LOG` says otherwise. Panics are
/// logged, too. At the end of the process, call [`flush_logs`].
pub fn init_logging(format: LogFormat) -> Result<(), LogError> {
    let levels = std::env::var_os(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let levels = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        // A line break at its end would make another name of a level.
        .parse(levels.to_string_lossy().trim())
        .map_err(|error| LogError::Levels(error.into()))?;
    let writer = LogWriter::start(io::stderr(), format).map_err(LogError::Thread)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(levels)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer({
            let writer = writer.clone();
            move || writer.clone()
        });
    match format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    }
    .map_err(|_| LogError::Twice)?;
    LOG.get_or_init(|| writer);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Waits until the log is written, for a second at most.
pub fn flush_logs() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// Prints why a program ends, as one line on standard error, if somebody reads it within a second.
pub fn print_error(line: &str) {
    flush_logs();
    let line = format!("error: {line}\n");
    let (done, printed) = mpsc::channel();
    let printing = std::thread::Builder::new().spawn(move || {
        // If it cannot be written, there is nobody to tell.
        io::stderr().write_all(line.as_bytes()).ok();
        done.send(()).ok();
    });
    if printing.is_ok() {
        printed.recv_timeout(LAST_LINE).ok();
    }
}

/// Writes a panic into the log, in the span of what it ends.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    tracing::error!(panic.message = message, panic.place = place, "a panic");
}
