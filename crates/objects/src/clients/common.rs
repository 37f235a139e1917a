//! What the clients of all clouds share.

use object_store::path::Path;
use url::Url;

use crate::config::OpenError;
use crate::env_vars::EnvVars;
use crate::error_classification;
use crate::location::{Bucket, check_endpoint};

/// The clients of one bucket.
#[derive(Clone)]
pub struct Clients<T> {
    /// For file content: long timeouts, many retries.
    pub(crate) transfer: T,
    /// For all other requests: short timeouts, few retries.
    pub(crate) quick: T,
    /// Signs links. A signature covers the host, so this client has the address that consumers use.
    pub(crate) links: T,
    /// Replaces the origin of a link after signing, where the signature does not cover the host.
    pub(crate) link_origin: Option<Url>,
    pub(crate) bucket: String,
    pub(crate) prefix: Path,
    /// Trusted certificates in addition to those of the system.
    pub(crate) roots: Vec<reqwest::Certificate>,
}

impl<T> Clients<T> {
    pub(super) fn new(bucket: Bucket, transfer: T, quick: T, links: T) -> Self {
        Self {
            transfer,
            quick,
            links,
            link_origin: None,
            bucket: bucket.name,
            prefix: bucket.prefix,
            roots: Vec::new(),
        }
    }
}

pub(super) fn check_endpoints(
    env: &EnvVars,
    variables: &[&str],
    allow_http: &str,
) -> Result<(), OpenError> {
    let allow = (allow_http, env.is_on(allow_http));
    variables
        .iter()
        .filter_map(|name| Some((name, env.get(name)?)))
        .try_for_each(|(name, value)| check_endpoint(name, value, allow))
}

pub(super) fn build_error(error: &object_store::Error) -> OpenError {
    OpenError::Environment(error_classification::reason(error))
}
