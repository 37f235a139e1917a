//! The client of the service's own database.

use std::ops::Deref;

use exports_postgres::{Client, PoolPurpose, UrlError};

/// The service's own database. It derefs to the [`Client`] that it wraps.
#[derive(Debug, Clone)]
pub struct Database(Client);

impl Database {
    /// A client for `url`. It connects on first use.
    pub fn new(url: &str, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Client::new(url, purpose).map(Self)
    }
}

impl Deref for Database {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}
