//! Why a request failed.

use std::fmt;
use std::time::Duration;

use object_store::client::HttpErrorKind;

use super::backoff::MAX_DELAY;
use super::connection_error::ConnectionError;
use super::error_response::ErrorResponse;

pub(super) enum RequestError {
    Response(Box<ErrorResponse>),
    Connection(ConnectionError, HttpErrorKind),
}

impl RequestError {
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Response(response) => response.is_retryable(),
            Self::Connection(connection, _) => connection.is_retryable(),
        }
    }

    /// The delay that the store requests with `Retry-After`.
    pub(super) fn requested_delay(&self) -> Duration {
        match self {
            Self::Response(response) => response.retry_after.unwrap_or_default().min(MAX_DELAY),
            Self::Connection(..) => Duration::ZERO,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(response) => response.fmt(f),
            Self::Connection(connection, _) => connection.fmt(f),
        }
    }
}
