//! What ends a command early, and how it is told: one line on standard error, and an exit code.

use std::error::Error as StdError;
use std::process::ExitCode;

/// A command's result.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something did not work.
    #[error("{message}")]
    Failed {
        message: String,
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// Somebody told the process to end.
    #[error("interrupted")]
    Interrupted { exit_code: u8 },
    /// Nobody reads the result any more: `exportctl jobs | head -1`.
    #[error("nobody reads the output any more")]
    ReaderGone,
}

/// What a shell says of a program that SIGPIPE ended, as it ends most.
const SIGPIPE: u8 = 128 + 13;

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
            Self::ReaderGone => ExitCode::from(SIGPIPE),
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::new(format!("{error:#}"))
    }
}

/// Says what was being done when an error came up.
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
