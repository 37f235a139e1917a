//! Errors of commands. `main` prints one line to standard error and returns the exit code.

use std::error::Error as StdError;
use std::process::ExitCode;

use exports_service::start::StartError;

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An operation failed.
    #[error("{message}")]
    Failed {
        message: String,
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The API has no such export.
    #[error("{message}")]
    NotFound { message: String },
    /// The API refuses the key.
    #[error("{message}")]
    Refused { message: String },
    /// The export has ended without a file.
    #[error("{message}")]
    NoFile { message: String },
    /// The process received a signal to stop.
    #[error("interrupted")]
    Interrupted { exit_code: u8 },
    /// The command has printed what it found, and repaired nothing.
    #[error("something is left to repair")]
    Findings,
    /// Standard output is a closed pipe: `exportctl admin jobs | head -1`.
    #[error("standard output was closed")]
    BrokenPipe,
}

/// The exit code of a program that SIGPIPE ended.
const SIGPIPE: u8 = 128 + 13;
/// 1 is an error of the command, and 2 an error in its arguments.
const FINDINGS: u8 = 3;
const NO_FILE: u8 = 4;
const NOT_FOUND: u8 = 5;
const REFUSED: u8 = 6;

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed { .. } => ExitCode::FAILURE,
            Self::Interrupted { exit_code } => ExitCode::from(*exit_code),
            Self::Findings => ExitCode::from(FINDINGS),
            Self::NoFile { .. } => ExitCode::from(NO_FILE),
            Self::NotFound { .. } => ExitCode::from(NOT_FOUND),
            Self::Refused { .. } => ExitCode::from(REFUSED),
            Self::BrokenPipe => ExitCode::from(SIGPIPE),
        }
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::new(format!("{error:#}"))
    }
}

/// Adds a message to an error.
pub(crate) trait Context<T> {
    fn context(self, message: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Failed {
            message: message.into(),
            source: Some(source.into()),
        })
    }
}
