//! Logging to standard error, as text or JSON, with levels from `RUST_LOG`.
//!
//! A failure of standard error never stops the process (see `writer`). So no program uses `eprintln!`: it
//! panics if the write fails, and blocks if nobody reads.

mod levels;
mod output;
mod writer;

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;
use writer::LogWriter;

pub(crate) use output::log_lines_lost;

/// How long a process that exits waits until its error message is written.
const PRINT_TIMEOUT: Duration = Duration::from_secs(1);

/// The writer of this process, once logging is set up.
static LOG: OnceLock<LogWriter> = OnceLock::new();

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The levels are invalid.
    #[error("{0}")]
    Levels(String),
    /// The process has already set up logging.
    #[error("logging is already set up")]
    Twice,
    /// The thread that writes the log cannot be started.
    #[error("the log thread cannot be started: {0}")]
    Thread(io::Error),
}

/// Sets up logging for this process, including panics. The level is `info` unless `RUST_LOG` is set. Call
/// [`flush_logs`] before the process exits.
pub fn init_logging(format: LogFormat) -> Result<(), LogError> {
    let levels = std::env::var_os(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let levels = levels::levels(&levels).map_err(|error| LogError::Levels(error.to_string()))?;
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
        // Spans are not nested, so the list of spans would repeat the current one.
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
    }
    .map_err(|_| LogError::Twice)?;
    LOG.get_or_init(|| writer);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Waits until the log is written, for at most a second.
pub fn flush_logs() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// Prints the error that ends the program, as one line on standard error. Waits at most a second.
pub fn print_error(line: &str) {
    flush_logs();
    let line = format!("error: {line}\n");
    let (done, printed) = mpsc::channel();
    let printing = std::thread::Builder::new().spawn(move || {
        // If the write fails, the error cannot be reported.
        io::stderr().write_all(line.as_bytes()).ok();
        done.send(()).ok();
    });
    if printing.is_ok() {
        printed.recv_timeout(PRINT_TIMEOUT).ok();
    }
}

/// Logs a panic, in its current span.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    tracing::error!(panic.message = message, panic.place = place, "panic");
}
