//! Messages and exports of a test: inserts messages into the database, creates exports as a consumer,
//! and checks the files.

use exports_tests::{Endpoint, Message, Proxy, Reply};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Deployment;
use crate::messages::PROJECT;
use crate::{consumer, expected, leftovers, messages};

impl Deployment {
    /// Inserts this many small outbound messages; 200,000 make about four parts.
    pub async fn insert_messages(&self, count: u32) {
        messages::insert(self.postgres.pool(), count).await;
    }

    /// Inserts this many outbound messages of 100,000 bytes each; 84 fill the first part of an upload.
    pub async fn insert_large_messages(&self, count: u32) {
        messages::insert_large(self.postgres.pool(), count).await;
    }

    /// Inserts these endpoints and messages.
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

    /// Downloads the file through its link, without a key.
    pub async fn download(&self, id: &str) -> Reply {
        consumer::download(&self.client, id).await
    }

    /// The download link.
    pub async fn link(&self, id: &str) -> String {
        consumer::link(&self.client, id).await
    }

    /// Waits for the export and checks its file: it has every selected message, in order and once, and
    /// matches the export of the API. Returns the export.
    pub async fn file_is_right(&self, id: &str) -> Value {
        let export = self.wait_until(id, "completed").await;
        let request = &self.requests[id];
        let (file, rows) = expected::file_for(self.postgres.pool(), PROJECT, request).await;
        let downloaded = self.download(id).await.body;
        assert!(downloaded == file, "the file of {request} is not correct");
        assert_eq!(export["row_count"], rows);
        assert_eq!(export["file_size_bytes"], file.len());
        assert_eq!(export["sha256"], hex::encode(Sha256::digest(&file)));
        export
    }

    /// Waits until the bucket and the records contain only what completed exports need.
    pub async fn nothing_is_left_over(&self) {
        leftovers::nothing_is_left_over(&self.postgres, &self.store).await;
    }

    /// Waits until the first part of the export's file is stored or being sent.
    pub async fn is_in_the_middle_of_its_file(&self, id: &str, source: &Proxy) {
        source.held().await;
        let begun = format!(
            "SELECT count(*) FROM export_objects WHERE export_id = '{id}' AND upload_id IS NOT NULL"
        );
        self.postgres.wait_for(&begun, 1).await;
    }

    /// Waits until the export is at this attempt or a later one.
    pub async fn is_at_attempt(&self, id: &str, attempt: u64) {
        let reached = format!("SELECT attempt >= {attempt} FROM exports WHERE id = '{id}'");
        self.postgres.wait_for(&reached, true).await;
    }
}
