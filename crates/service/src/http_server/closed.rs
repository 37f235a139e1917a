//! Why a connection was closed.

use crate::metrics::Label;

/// The value of a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Closed {
    /// The client closed it, or a response said `Connection: close`.
    Finished,
    /// A request's head, or TLS's handshake, was not complete in time.
    HeadTimeout,
    /// No further request came.
    IdleTimeout,
    /// The client read its response too slowly.
    SlowReader,
    /// All slots were in use, and this connection had no request in progress.
    Displaced,
    /// The head of a request was too large.
    HeadTooLarge,
    /// The request was not HTTP/1.
    InvalidRequest,
    /// TLS's handshake failed.
    TlsFailed,
    /// The connection broke, or ended in the middle of a request or response.
    Broken,
    /// The service stopped.
    Stopped,
}

impl Label for Closed {
    const NAME: &'static str = "reason";
}

impl From<hyper::Result<()>> for Closed {
    fn from(result: hyper::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Finished,
            Err(error) if error.is_parse_too_large() => Self::HeadTooLarge,
            Err(error) if error.is_parse() => Self::InvalidRequest,
            Err(_) => Self::Broken,
        }
    }
}
