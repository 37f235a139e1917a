//! Why a program cannot start: one line that begins with the setting that is probably wrong.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use exports_domain::error_line;
use exports_objects::{ErrorKind, OpenError, Store, StoreConfig, StoreError};
use exports_postgres::{Error as PostgresError, StatementError};

use crate::settings::{StoreSettings, store_variables, subject};

pub(super) const DATABASE: &str = "DATABASE_URL";
pub(super) const SOURCE: &str = "EXPORTS_SOURCE_DATABASE_URL";
const STORE: &str = "EXPORTS_OBJECT_STORE_URL";
const STORE_PUBLIC: &str = "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT";

/// Why a program cannot start.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{line}")]
pub struct StartError {
    line: String,
    pub(super) wait: Wait,
}

/// Whether an error can pass without a change of the settings, and how long that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// It cannot pass.
    No,
    /// `exportctl admin migrate` may be about to grant missing rights. That takes moments.
    Briefly,
    /// For the whole time of the start.
    UntilTimeout,
}

impl StartError {
    /// The value of a variable cannot be used. A reason that begins with "must" continues the sentence.
    #[must_use]
    pub fn new(variable: &str, reason: &str) -> Self {
        let separator = if reason.starts_with("must") {
            " "
        } else {
            ": "
        };
        Self::of_line(format!("{}{separator}{reason}", subject(variable)))
    }

    fn of_line(line: String) -> Self {
        Self {
            line,
            wait: Wait::No,
        }
    }

    /// Sets whether it can pass without a change of the settings.
    pub(super) fn that_may_pass(self, may_pass: bool) -> Self {
        self.that_waits(if may_pass {
            Wait::UntilTimeout
        } else {
            Wait::No
        })
    }

    pub(super) fn that_waits(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }
}

/// Adds the name of the variable to an error. For `map_err`.
pub fn in_variable<E: StdError>(variable: &'static str) -> impl FnOnce(E) -> StartError {
    move |error| StartError::new(variable, &error_line(&error))
}

/// A database whose address is in this variable cannot be used.
#[must_use]
pub fn database_error(variable: &str, error: &PostgresError) -> StartError {
    StartError::new(variable, &error.reason()).that_may_pass(!error.is_wrong_setting())
}

/// A statement failed in the database whose address is in this variable.
pub fn statement_error<E: StatementError + StdError>(variable: &str, error: &E) -> StartError {
    match error.postgres() {
        Some(error) => database_error(variable, error),
        None => StartError::new(variable, &error_line(error)),
    }
}

/// A program cannot listen on the address in this variable.
#[must_use]
pub fn listen_error(variable: &str, address: SocketAddr, error: &io::Error) -> StartError {
    let reason: &dyn Display = match error.kind() {
        io::ErrorKind::AddrInUse => {
            &"the port is in use: stop the other program, or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            &"the address is not one of this machine: use one of its addresses, or 0.0.0.0"
        }
        io::ErrorKind::PermissionDenied => &"permission denied: use a port from 1024",
        _ => &error_line(error),
    };
    StartError::new(variable, &format!("cannot listen on {address}: {reason}"))
}

/// Opens the store of the settings with `open`, the environment, and the secrets that come from files.
pub fn open_store(
    settings: &StoreSettings,
    open: impl FnOnce(&StoreConfig, Vec<(String, String)>) -> Result<Store, OpenError>,
) -> Result<Store, StartError> {
    let config = StoreConfig {
        url: settings.url.clone(),
        public_endpoint: settings.public_endpoint.clone(),
    };
    let variables = store_variables(&settings.url).map_err(StartError::of_line)?;
    open(&config, variables).map_err(|error| match &error {
        OpenError::Url(reason) if config.url.is_empty() => {
            StartError::new(STORE, &format!("{reason}, and is empty"))
        }
        OpenError::Url(_) | OpenError::Directory(_) | OpenError::Client(_) => {
            in_variable(STORE)(error)
        }
        OpenError::PublicEndpoint(_) => in_variable(STORE_PUBLIC)(error),
        OpenError::Variable { .. } => StartError::of_line(error.to_string()),
    })
}

/// The store cannot be used.
#[must_use]
pub fn store_error(store: &Store, error: &StoreError) -> StartError {
    let (variable, reason) = match store {
        Store::File(_) => (
            STORE,
            format!("cannot write to {store}: {}", error.reason()),
        ),
        Store::S3(_) | Store::Gcs(_) | Store::Azure(_) => {
            let variable = store.variable(error).unwrap_or(STORE);
            (variable, error.reason().to_owned())
        }
    };
    StartError::new(variable, &reason).that_may_pass(may_pass(error))
}

/// Refused credentials and impossible requests need other settings. The credentials of a cloud's metadata
/// service may come later.
fn may_pass(error: &StoreError) -> bool {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::NotFound => true,
        ErrorKind::Refused => error.lacks_credentials(),
        ErrorKind::Invalid => false,
    }
}
