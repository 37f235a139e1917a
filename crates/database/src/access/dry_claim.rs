//! A claim of nothing, which shows whether the connected role may claim.

use std::sync::Arc;
use std::time::Duration;

use crate::database::Database;
use crate::error::Error;
use crate::queue::ClaimRequest;

impl Database {
    /// Runs the claim for no export. The server checks the rights of the whole statement before it runs it;
    /// nothing is read or changed.
    pub async fn claim_nothing(&self) -> Result<(), Error> {
        let request = ClaimRequest {
            owner: "",
            limit: 0,
            lease: Duration::ZERO,
            max_attempts: 1,
            hints: Arc::default(),
            last_slot_reserved: false,
            borrowers: Vec::new(),
        };
        self.claim(&request).await.map(drop)
    }
}
