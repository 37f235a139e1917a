//! What the clients of all clouds share.

use std::error::Error;
use std::iter::successors;

use object_store::path::Path;
use url::Url;

use crate::config::OpenError;
use crate::env_vars::EnvVars;
use crate::error::Blame;
use crate::error_classification;
use crate::io_reason::io_reason;
use crate::location::{Bucket, check_endpoint};
use crate::transport::InvalidOption;

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
    /// All parts of an upload but the last must have the same size.
    pub(crate) needs_equal_parts: bool,
    /// The variables of its settings.
    pub(crate) names: Names,
}

/// The variables of a bucket's settings, for messages. `None`: the URL of the store.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names {
    pub(crate) endpoint: Option<&'static str>,
    pub(crate) region: Option<&'static str>,
    pub(crate) access_key: Option<&'static str>,
    pub(crate) secret: Option<&'static str>,
    pub(crate) session_token: Option<&'static str>,
    pub(crate) web_identity: Option<&'static str>,
}

impl Names {
    pub(crate) fn of(&self, blame: Blame) -> Option<&'static str> {
        match blame {
            Blame::Url => None,
            Blame::Endpoint => self.endpoint,
            Blame::Region => self.region,
            Blame::AccessKey => self.access_key,
            Blame::Secret => self.secret,
            Blame::SessionToken => self.session_token,
            Blame::WebIdentity => self.web_identity,
        }
    }
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
            needs_equal_parts: false,
            names: Names::default(),
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

/// Why a client cannot be created. `prefix` is that of the cloud's variables.
pub(super) fn build_error(prefix: &str, error: &object_store::Error) -> OpenError {
    let first: &(dyn Error + 'static) = error;
    let mut chain = successors(Some(first), |&link| link.source());
    match chain.find_map(|link| link.downcast_ref::<InvalidOption>()) {
        Some(invalid) => {
            let name = format!("{prefix}{}", invalid.key.as_ref().to_ascii_uppercase());
            OpenError::variable(name, invalid.to_string())
        }
        None => OpenError::Client(error_classification::reason(error)),
    }
}

/// Reads a file that a variable names.
pub(super) fn read_file(variable: &str, path: &str) -> Result<Vec<u8>, OpenError> {
    std::fs::read(path).map_err(|error| {
        let reason = io_reason(&error);
        OpenError::variable(variable, format!("cannot read {path}: {reason}"))
    })
}
