//! Reports whether a database is available. The services log one line per outage with it.

use std::fmt;

use crate::error::Error;

/// Receives what a [`Client`](crate::Client) learns about its database.
pub trait Observer: fmt::Debug + Send + Sync {
    /// The database has answered.
    fn available(&self);
    /// No connection could be opened.
    fn unavailable(&self, reason: &Error);
}
