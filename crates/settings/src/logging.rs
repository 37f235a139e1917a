//! The set-up of logs: standard error, text or JSON, levels by `RUST_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::groups::LogFormat;

/// Logs cannot be set up: one line.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The levels are not understood.
    #[error("{0}")]
    Levels(tracing_subscriber::filter::FromEnvError),
    /// Something else in the process has set up logs before.
    #[error("logs are already set up")]
    Twice,
}

/// Sets up the logs of this process: `info` and up unless `RUST_LOG` says otherwise.
pub fn init_logging(format: LogFormat) -> Result<(), LogError> {
    let levels = std::env::var_os(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let levels = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        // A line break at its end would make another name of a level.
        .parse(levels.to_string_lossy().trim())
        .map_err(|error| LogError::Levels(error.into()))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(levels)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    }
    .map_err(|_| LogError::Twice)
}
