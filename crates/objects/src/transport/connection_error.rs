//! A request that got no complete response.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use object_store::client::{HttpError, HttpRequest};

use super::request::{authority, describe};

/// A request that got no complete response.
#[derive(Debug)]
pub(crate) struct ConnectionError {
    /// Whether the request went to the cloud's metadata service.
    pub(crate) is_metadata: bool,
    pub(crate) host: String,
    request: String,
    source: HttpError,
}

impl ConnectionError {
    pub(super) fn new(request: &HttpRequest, source: HttpError) -> Self {
        Self {
            is_metadata: false,
            host: authority(request.uri()),
            request: describe(request),
            source,
        }
    }

    /// False for a request that could not be built, or that the settings forbid.
    pub(super) fn is_retryable(&self) -> bool {
        !self
            .chain()
            .filter_map(|link| link.downcast_ref::<reqwest::Error>())
            .any(reqwest::Error::is_builder)
    }

    fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let first: &(dyn Error + 'static) = &self.source;
        successors(Some(first), |&link| link.source())
    }
}

impl Error for ConnectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} got no complete response", self.request)?;
        self.chain()
            .last()
            .map_or(Ok(()), |root| write!(f, ": {root}"))
    }
}
