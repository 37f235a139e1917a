//! The client of the service's own database.

use std::ops::Deref;

use exports_postgres::{Client, PoolPurpose, UrlError};

use crate::exports::SharedQueueOrder;

/// The service's own database. It derefs to the [`Client`] that it wraps.
#[derive(Debug, Clone)]
pub struct Database {
    client: Client,
    queue_order: SharedQueueOrder,
}

impl Database {
    /// A client for `url`. It connects on first use.
    pub fn new(url: &str, purpose: PoolPurpose) -> Result<Self, UrlError> {
        Ok(Self {
            client: Client::new(url, purpose)?,
            queue_order: SharedQueueOrder::default(),
        })
    }

    pub(crate) fn shared_queue_order(&self) -> &SharedQueueOrder {
        &self.queue_order
    }
}

impl Deref for Database {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
