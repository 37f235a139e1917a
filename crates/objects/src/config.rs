//! The settings of a store, and the errors of opening one.
//!
//! Error texts do not contain the names of the settings in [`StoreConfig`], which the caller knows, and no values, which may be
//! secrets.

use std::fmt;

/// The settings of a store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// `file:///directory`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    pub url: String,
    /// The address at which consumers reach the bucket, if it differs from ours: `https://files.example.com`. With
    /// virtual-hosted addressing (`AWS_VIRTUAL_HOSTED_STYLE_REQUEST`) it includes the bucket, like the endpoint.
    pub public_endpoint: Option<String>,
}

// Both may contain credentials until they are validated.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig").finish_non_exhaustive()
    }
}

/// A rule continues the sentence that begins with the name of the variable.
fn separator(problem: &str) -> &'static str {
    match problem.split(' ').next() {
        Some("must" | "is") => " ",
        _ => ": ",
    }
}

impl OpenError {
    pub(crate) fn variable(variable: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Variable {
            variable: variable.into(),
            problem: problem.into(),
        }
    }
}

/// Why a store cannot be opened. Each error is one line about one setting.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// [`StoreConfig::url`] is not the URL of a store.
    #[error("{0}")]
    Url(&'static str),
    /// [`StoreConfig::public_endpoint`] is not usable.
    #[error("{0}")]
    PublicEndpoint(&'static str),
    /// One of the cloud's own variables (`AWS_…`, `GOOGLE_…`, `AZURE_…`) is missing, invalid or contradictory.
    #[error("{variable}{}{problem}", separator(problem))]
    Variable {
        /// The variable.
        variable: String,
        /// What is wrong with it: a rule that begins with "must" or "is", or a sentence.
        problem: String,
    },
    /// The client cannot be created, for a reason that names no variable.
    #[error("{0}")]
    Client(String),
    /// The directory of a file store is not usable.
    #[error("{0}")]
    Directory(String),
}
