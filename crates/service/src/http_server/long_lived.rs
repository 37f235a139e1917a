//! What a handler tells the server about a response that takes long, so that it holds little memory meanwhile.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// In the extensions of every request: for a handler that waits before it responds.
#[derive(Debug, Clone, Default)]
pub struct LongWait(Arc<AtomicBool>);

impl LongWait {
    /// From now on, the handler waits for something that may take long.
    pub fn begin(&self) {
        self.0.store(true, Relaxed);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// For the next request of the connection.
    pub(super) fn reset(&self) {
        self.0.store(false, Relaxed);
    }
}

/// From the extensions. Without this server, as in tests of handlers, it has no effect.
impl<S: Sync> FromRequestParts<S> for LongWait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// In the extensions of a response: its body goes on for long and consists of small pieces.
#[derive(Debug, Clone, Copy)]
pub struct LongLived;
