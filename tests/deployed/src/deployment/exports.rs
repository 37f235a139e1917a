//! What a story does with messages and exports: it puts the former into the database, asks for the
//! latter as a consumer, and judges the file.

use exports_tests::{Endpoint, Message, Proxy, Reply};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Deployment;
use crate::messages::PROJECT;
use crate::{consumer, expected, messages, tidiness};

impl Deployment {
    /// Puts that many small outbound messages into the database; 200,000 make some four parts.
    pub async fn insert_messages(&self, count: u32) {
        messages::insert(self.postgres.pool(), count).await;
    }

    /// Puts that many outbound messages of 100,000 bytes each; 84 fill the first part of an upload.
    pub async fn insert_large_messages(&self, count: u32) {
        messages::insert_large(self.postgres.pool(), count).await;
    }

    /// Puts these messages into the database, and the endpoints that they belong to.
    pub async fn insert(&self, endpoints: &[Endpoint], messages: &[Message]) {
        Endpoint::insert(self.postgres.pool(), endpoints).await;
        Message::insert(self.postgres.pool(), messages).await;
    }

    /// Creates an export and returns its id.
    pub async fn create_export(&mut self, request: Value) -> String {
        let id = consumer::create(&self.client, &request).await;
        self.requests.insert(id.clone(), request);
        id
    }

    /// The export as the API shows it.
    pub async fn export(&self, id: &str) -> Value {
        consumer::get(&self.client, id).await
    }

    /// Waits until the export has this status, and returns it.
    pub async fn wait_until(&self, id: &str, status: &str) -> Value {
        consumer::wait_until(&self.client, id, status).await
    }

    /// Downloads the file by its link, which needs no key.
    pub async fn download(&self, id: &str) -> Reply {
        consumer::download(&self.client, id).await
    }

    /// Where the download leads.
    pub async fn link(&self, id: &str) -> String {
        consumer::link(&self.client, id).await
    }

    /// Waits for the export and downloads its file: it has every message that was asked for, in
    /// order and once, and matches the export of the API. Returns the export.
    pub async fn file_is_right(&self, id: &str) -> Value {
        let export = self.wait_until(id, "completed").await;
        let request = &self.requests[id];
        let (file, rows) = expected::file_for(self.postgres.pool(), PROJECT, request).await;
        let downloaded = self.download(id).await.body;
        assert!(downloaded == file, "the file of {request} is not right");
        assert_eq!(export["row_count"], rows);
        assert_eq!(export["file_size_bytes"], file.len());
        assert_eq!(export["sha256"], hex::encode(Sha256::digest(&file)));
        export
    }

    /// Waits until the bucket and the records hold what completed exports need and nothing else.
    pub async fn nothing_is_left_over(&self) {
        tidiness::nothing_is_left_over(&self.postgres, &self.store).await;
    }

    /// Waits until the first part of the export's file is in the store, or on its way.
    pub async fn is_in_the_middle_of_its_file(&self, id: &str, source: &Proxy) {
        source.held().await;
        let begun = format!(
            "SELECT count(*) FROM export_objects WHERE export_id = '{id}' AND upload_id IS NOT NULL"
        );
        self.postgres.wait_for(&begun, 1).await;
    }

    /// Waits until the export is at this attempt or beyond.
    pub async fn is_at_attempt(&self, id: &str, attempt: u64) {
        let reached = format!("SELECT attempt >= {attempt} FROM exports WHERE id = '{id}'");
        self.postgres.wait_for(&reached, true).await;
    }
}
