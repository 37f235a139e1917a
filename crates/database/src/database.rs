//! The service's own database.

use std::ops::Deref;

use exports_postgres::{Client, PoolPurpose, UrlError};

/// The service's own database: a client, which can do what every client can, and our tables.
#[derive(Debug, Clone)]
pub struct Database(Client);

impl Database {
    /// Names a database that is written to, without connecting to it.
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
