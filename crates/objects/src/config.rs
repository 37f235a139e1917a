//! What a store is opened from, and why it may not open.
//!
//! Error texts name neither the settings nor their values: the caller knows the former, and the latter may hold secrets.

use std::fmt;

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// `file:///directory`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    pub url: String,
    /// The address that consumers reach the bucket at, if it is not the one that we use: `https://files.example.com`.
    /// With virtual-hosted addressing (`AWS_VIRTUAL_HOSTED_STYLE_REQUEST`) it includes the bucket, as the endpoint does.
    pub public_endpoint: Option<String>,
}

// Either may hold credentials until it has been checked.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig").finish_non_exhaustive()
    }
}

/// Why a store cannot be opened: one line each, about one setting each.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// [`StoreConfig::url`] is not a store's URL.
    #[error("{0}")]
    Url(&'static str),
    /// [`StoreConfig::public_endpoint`] cannot be used.
    #[error("{0}")]
    PublicEndpoint(&'static str),
    /// The cloud's own variables (`AWS_…`, `GOOGLE_…`, `AZURE_…`) are incomplete or contradictory.
    #[error("{0}")]
    Environment(String),
    /// The directory of a file store is not there and cannot be made.
    #[error("the directory cannot be opened: {0}")]
    Directory(String),
}
