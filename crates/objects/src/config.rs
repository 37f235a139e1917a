//! The settings of a store, and the errors of opening one.
//!
//! Error texts contain neither the settings' names nor their values. The caller knows the names, and the values may be secrets.

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

/// Why a store cannot be opened. Each error is one line about one setting.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// [`StoreConfig::url`] is not the URL of a store.
    #[error("{0}")]
    Url(&'static str),
    /// [`StoreConfig::public_endpoint`] is not usable.
    #[error("{0}")]
    PublicEndpoint(&'static str),
    /// The cloud's own variables (`AWS_…`, `GOOGLE_…`, `AZURE_…`) are incomplete or contradictory.
    #[error("{0}")]
    Environment(String),
    /// The directory of a file store does not exist and cannot be created.
    #[error("cannot open the directory {0}")]
    Directory(String),
}
